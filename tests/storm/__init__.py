"""Random operators, random faults and random deaths, episode after episode: `./dev storm`."""
