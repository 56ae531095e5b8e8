"""`python -m ultimate_deep` is the command `ultimate-deep`."""

from ultimate_deep.commands import main

if __name__ == "__main__":
    main()
