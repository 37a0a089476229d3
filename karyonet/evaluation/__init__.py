"""Measuring the pipeline and its stages on annotated data, with intervals bootstrapped over cases."""
