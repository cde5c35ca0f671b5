"""How a run is described and driven: command line, params, data sets, fan-out, ledger."""
