"""`python -m xnorc` is the program `xnorc`."""

import sys

from xnorc._command_line import main

sys.exit(main())
