"""For plugin authors: contract suites (`contracts`) and stand-ins for the real things (`fakes`). Needs pytest."""
