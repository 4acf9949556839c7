"""Clients of all dialects at once, each as patient as an ordinary one: for runs of minutes and hours.

``records`` has what they write down, ``line`` how one asks and how often it tries again, ``uploads``, ``whole_files``,
``pictures`` and ``readers`` what each kind does from one file to the next, ``crowd`` how many of each there are.
"""
