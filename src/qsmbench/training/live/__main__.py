"""`python -m qsmbench.training.live`: see train.py."""

import sys

from qsmbench.training.live.train import main

sys.exit(main())
