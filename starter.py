"""``python starter.py`` serves; ``python starter.py --help`` lists its other verbs."""

from infrastructure.cli import main

if __name__ == "__main__":
    main()
