"""``python -m longshore``: the command."""

from longshore.command import main

if __name__ == "__main__":
    main()
