-- Keeps the number free: the tables of incidents take its place.
SELECT 1;
