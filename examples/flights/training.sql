/* What is known before a flight departs, and whether it arrived more than 15 minutes late. */
SELECT
  month,
  EXTRACT(DAYOFWEEK FROM DATE(year, month, day)) AS weekday,
  hour,
  distance,
  CASE origin WHEN 'EWR' THEN 0 WHEN 'JFK' THEN 1 ELSE 2 END AS origin,
  IF(arr_delay > 15, 1, 0) AS late
FROM flights.history
WHERE arr_delay IS NOT NULL
