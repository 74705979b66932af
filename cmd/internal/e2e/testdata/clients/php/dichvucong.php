<?php
// An online public service: files dossiers, and sees its own and their answers
// alone. Prints what it did, or what it can see, as JSON.
//
//   php dichvucong.php file OFFICE SUBJECT FILE
//   php dichvucong.php look DOCUMENT-OF-ANOTHER...

namespace {
    require 'GuzzleHttp/autoload.php';
    spl_autoload_register(function (string $class): void {
        $path = __DIR__ . '/api/lib/' . str_replace('\\', '/', substr($class, strlen('TramApi/'))) . '.php';
        if (str_starts_with($class, 'TramApi\\') && is_file($path)) {
            require $path;
        }
    });
}

// The generator writes calls of guzzlehttp/psr7 1; these are their names in 2.
namespace GuzzleHttp\Psr7 {
    if (!function_exists('GuzzleHttp\Psr7\build_query')) {
        function build_query(array $params, $encoding = PHP_QUERY_RFC3986): string
        {
            return Query::build($params, $encoding);
        }
    }
}

namespace {
    use TramApi\Api\{ContentsApi, DecisionsApi, DocumentsApi, EventsApi, UploadsApi};
    use TramApi\Model\{AcceptRequest, Box, Draft, FileName, State, Urgency};

    const TUS = '1.0.0';

    $config = (new TramApi\Configuration())->setHost(getenv('TRAM_URL'))->setAccessToken(getenv('TRAM_KEY'));
    $documents = new DocumentsApi(null, $config);

    function upload(UploadsApi $uploads, string $path): string
    {
        $content = file_get_contents($path);
        $id = $uploads->createUpload(TUS, (string) strlen($content), 'filename ' . base64_encode(basename($path)))->getId();
        $uploads->appendUpload($id, TUS, '0', substr($content, 0, intdiv(strlen($content), 3)));
        // As after a cut: the office says from where to go on.
        $offset = $uploads->getUpload($id)->getOffset();
        $uploads->appendUpload($id, TUS, (string) $offset, substr($content, $offset));
        return $id;
    }

    function file_dossier(DocumentsApi $documents, UploadsApi $uploads, string $office, string $subject, string $path): array
    {
        $draft = new Draft(['to' => [$office], 'subject' => $subject, 'urgency' => Urgency::KHAN,
            'files' => [new FileName(['upload' => upload($uploads, $path)])]]);
        $key = bin2hex(random_bytes(16));
        $saved = $documents->sendDocument($key, $draft);
        $again = $documents->sendDocument($key, $draft);
        return ['id' => $saved->getId(), 'again' => $again->getId(), 'edxml_id' => $saved->getEdxmlId()];
    }

    // status gives that of a call which is to be refused.
    function status(callable $call): int
    {
        try {
            $call();
        } catch (TramApi\ApiException $e) {
            return $e->getCode();
        }
        return 200;
    }

    function look(DocumentsApi $documents, ContentsApi $contents, EventsApi $events, DecisionsApi $decisions, array $others): array
    {
        $seen = ['documents' => [], 'events' => [], 'others' => []];
        foreach ([Box::IN, Box::OUT] as $box) {
            foreach ($documents->listDocuments($box)->getDocuments() as $d) {
                $content = $contents->downloadAttachment($d->getId(), 0);
                $seen['documents'][] = ['id' => $d->getId(), 'box' => $d->getBox(), 'state' => $d->getState(),
                    'number' => $d->getTo()[0]->getArrivalNumber(), 'sha256' => hash_file('sha256', $content->getRealPath())];
            }
        }
        foreach ($events->listEvents(null, 500)->getEvents() as $e) {
            $seen['events'][$e->getDocumentId()] = true;
        }
        $seen['events'] = array_keys($seen['events']);
        foreach ($others as $id) {
            $seen['others'][] = status(fn () => $documents->getDocument($id));
            $seen['others'][] = status(fn () => $documents->getTrack($id));
        }
        $seen['accept'] = status(fn () => $decisions->acceptDocument($others[0], new AcceptRequest()));
        return $seen;
    }

    $args = array_slice($argv, 2);
    echo json_encode(match ($argv[1]) {
        'file' => file_dossier($documents, new UploadsApi(null, $config), ...$args),
        'look' => look($documents, new ContentsApi(null, $config), new EventsApi(null, $config), new DecisionsApi(null, $config), $args),
    });
}
