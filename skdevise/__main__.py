"""``python -m skdevise``, which is the command ``skdevise``."""

import sys

from skdevise._command_line import main

if __name__ == "__main__":
    sys.exit(main())
