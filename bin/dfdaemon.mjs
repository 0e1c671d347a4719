#!/usr/bin/env node
process.stderr.write('dfdaemon: not part of this release; it comes with a later one (see CHANGELOG.md)\n');
process.exitCode = 2;
