"""What a ministry receives: bundles, later hand-overs and replies."""
