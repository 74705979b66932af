// A document system: sends letters with their files, follows the feed of events,
// recalls a letter that was accepted, reads what arrives and accepts it. Prints what it saw as JSON.
import { createHash, randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';

import { client } from './api/client.gen';
import { acceptDocument, downloadAttachment, getDocument, getMe, listEvents, recallDocument, sendDocumentWithFiles } from './api/sdk.gen';
import type { Event, Saved, State } from './api/types.gen';

type Sent = { id: string; subject: string; states: State[] };
type Received = { id: string; subject: string; from: string; sha256: string; state: State };

const always = { throwOnError: true } as const;

async function send(to: string, subject: string, path: string): Promise<Saved> {
  const file = new File([new Uint8Array(await readFile(path))], basename(path));
  const call = {
    body: { document: { to: [to], subject, urgency: 'khan' as const }, file: [file] },
    headers: { 'Idempotency-Key': randomUUID() },
    ...always,
  };
  const { data: first } = await sendDocumentWithFiles(call);
  const { data: again } = await sendDocumentWithFiles(call); // as after an answer that was lost
  if (again.id !== first.id) throw new Error(`sent twice: ${first.id} and ${again.id}`);
  return first;
}

async function receive(id: string): Promise<Received> {
  const { data: document } = await getDocument({ path: { id }, ...always });
  const { data: content } = await downloadAttachment({ path: { id, index: 0 }, parseAs: 'blob', ...always });
  const bytes = Buffer.from(await (content as Blob).arrayBuffer());
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  if (sha256 !== document.attachments[0]?.sha256) throw new Error(`content of ${id} is not what was announced`);
  const { data: accepted } = await acceptDocument({ path: { id }, body: {}, ...always });
  return { id, subject: document.subject, from: document.from.code, sha256, state: accepted.state };
}

// follow gives each event once, in order, until the caller has seen enough.
async function* follow(): AsyncGenerator<Event> {
  let after: string | undefined;
  for (;;) {
    const { data: page } = await listEvents({ query: { after, wait: 20 }, ...always });
    yield* page.events;
    after = page.next;
  }
}

async function main(to: string, path: string, subjects: string[], arrivals: number) {
  client.setConfig({ baseUrl: process.env.TRAM_URL!, auth: process.env.TRAM_KEY! });
  const { data: me } = await getMe(always);
  const sent = new Map<string, Sent>();
  for (const subject of subjects) {
    const { id } = await send(to, subject, path);
    sent.set(id, { id, subject, states: [] });
  }
  const received: Received[] = [];
  const decided = (s: Sent) => s.states.includes('delivered') && (s.states.includes('recalled') || s.states.includes('returned'));
  for await (const event of follow()) {
    if (!event.document_id || !event.state) continue; // of a dossier
    const own = sent.get(event.document_id);
    if (event.type === 'document.noted') continue; // evidence of an earlier step
    if (own && own.states.at(-1) !== event.state) own.states.push(event.state);
    if (own && event.type === 'document.accepted') {
      await recallDocument({ path: { id: own.id }, body: { reason: 'Ban hành nhầm' }, ...always });
    }
    if (event.type === 'document.arrived') received.push(await receive(event.document_id));
    if ([...sent.values()].every(decided) && received.length >= arrivals) break;
  }
  console.log(JSON.stringify({ office: me.office.code, sent: [...sent.values()], received }));
}

const [to, path, arrivals, ...subjects] = process.argv.slice(2);
main(to!, path!, subjects, Number(arrivals)).catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
