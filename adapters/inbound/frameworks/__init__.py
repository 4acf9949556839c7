"""Our dialects within a program's own web server: a framework reads the requests, all else is as it is with ours."""
