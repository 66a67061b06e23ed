"""`python -m resnets`: the command line, where no script is on the path."""

from resnets.cli import main

if __name__ == "__main__":
    main()
