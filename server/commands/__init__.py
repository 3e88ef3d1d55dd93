"""The commands of ``earshot``, one file each. They import what is slow inside, so that ``--help`` answers at once."""
