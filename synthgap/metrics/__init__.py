"""Measurements of image sets and classifiers: functions of arrays, each naming its source."""
