"""What the launcher starts. It is compiled anew at each start, so it only loads `warm`, which is not."""

import sys

# Under -I -S the path is the standard library, last its folder of compiled modules: `_socket` may be there.
sys.path[:] = [__file__.rpartition("/")[0], sys.path[-1]]
try:
    from warm import main  # type: ignore[import-not-found]  # found on the path of the line above
except ImportError:
    # Another version is being put in place at this moment.
    from posix import execv

    execv(sys.argv[1], sys.argv[1:])

main(sys.argv[1], sys.argv[2:])
