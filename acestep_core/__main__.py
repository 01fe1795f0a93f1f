from acestep_core.cli import main

main()
