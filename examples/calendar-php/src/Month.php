<?php

declare(strict_types=1);

namespace Calendar;

use DateTimeImmutable;

/** A month of a year, as weeks that begin on Monday. */
final class Month
{
    private DateTimeImmutable $first;

    public function __construct(int $year, int $month)
    {
        $this->first = (new DateTimeImmutable('midnight'))->setDate($year, $month, 1);
    }

    public static function now(): self
    {
        return new self((int) date('Y'), (int) date('n'));
    }

    public function title(): string
    {
        return $this->first->format('F Y');
    }

    public function path(): string
    {
        return $this->first->format('Y/m');
    }

    public function other(int $months): self
    {
        $other = $this->first->modify("$months months");

        return new self((int) $other->format('Y'), (int) $other->format('n'));
    }

    /** @return list<list<int|null>> days; null where a week belongs to another month */
    public function weeks(): array
    {
        $before = (int) $this->first->format('N') - 1;
        $days = [...array_fill(0, $before, null), ...range(1, (int) $this->first->format('t'))];

        return array_map(fn (array $week): array => array_pad($week, 7, null), array_chunk($days, 7));
    }
}
