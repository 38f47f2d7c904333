import sys

from radarlib.cli import main

sys.exit(main())
