-- After how many holds in a row a refused send went on, since anybody who had been refused in the same words was taken.
ALTER TABLE refusals ADD COLUMN chances INTEGER NOT NULL DEFAULT 0;
