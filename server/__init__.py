"""Everything that serves: settings, app, live sessions, journal, store, doors, the command line."""
