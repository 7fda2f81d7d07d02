<?php

declare(strict_types=1);

use Calendar\Month;
use Calendar\Page;

require __DIR__ . '/../vendor/autoload.php';

$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);

if ($path === '/') {
    header('Location: ' . Page::address(Month::now()), true, 302);
    exit;
}

if (!preg_match('~^/(\d{4})/(\d{2})(\.json)?$~', $path, $found) || !checkdate((int) $found[2], 1, (int) $found[1])) {
    http_response_code(404);
    error_log("There is no page $path");
    echo "There is no such month. Try /2026/11.\n";
    exit;
}

$month = new Month((int) $found[1], (int) $found[2]);

if (isset($found[3])) {
    header('Content-Type: application/json');
    echo json_encode(['title' => $month->title(), 'weeks' => $month->weeks(), 'dyno' => getenv('DYNO')]), "\n";
} else {
    echo (new Page($month))->html();
}
