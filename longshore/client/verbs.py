"""The client's verbs by name, for whoever has to tell them from the server's; importing this costs nothing."""

VERBS = {
    "put": "bring files and folders to a server; what was broken off goes on where it was",
    "ls": "list the files that are stored",
    "get": "fetch a file",
    "rm": "delete files",
    "share": "make a link that opens a file to whoever has it",
    "watch": "show what moves on the server right now",
}
