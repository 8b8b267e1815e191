"""The benchmarks: `make bench`. Each module named in `bench.__main__.ROOMS` measures one thing and yields its rows."""
