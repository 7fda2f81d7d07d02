<?php

declare(strict_types=1);

namespace Calendar;

/** A month as a page. */
final class Page
{
    public function __construct(private Month $month)
    {
    }

    public static function address(Month $month): string
    {
        return '/' . $month->path();
    }

    public function html(): string
    {
        $title = htmlspecialchars(mb_strtoupper($this->month->title()));
        $previous = self::address($this->month->other(-1));
        $next = self::address($this->month->other(1));
        $rows = implode("\n", array_map(self::row(...), $this->month->weeks()));
        $version = PHP_VERSION;

        return <<<HTML
            <!doctype html>
            <html lang="en">
            <meta charset="utf-8">
            <title>$title</title>
            <link rel="stylesheet" href="/calendar.css">
            <h1><a href="$previous">&larr;</a> $title <a href="$next">&rarr;</a></h1>
            <table>
            <tr><th>Mo<th>Tu<th>We<th>Th<th>Fr<th>Sa<th>Su</tr>
            $rows
            </table>
            <footer>PHP $version</footer>
            </html>

            HTML;
    }

    /** @param list<int|null> $week */
    private static function row(array $week): string
    {
        return '<tr><td>' . implode('<td>', $week) . '</tr>';
    }
}
