// Tasks for Node's fetch, one a run: node fetch.mjs TASK http://HOST:PORT [ARGUMENT...]
// Prints what came of it as JSON; test_clients.py judges.
import { createHash } from 'node:crypto';

const [task, base, ...words] = process.argv.slice(2);

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');
const textOf = async (response) => [response.status, await response.text()];
const smallFile = (number) => `small file ${number}\n`.repeat(number + 1);

const tasks = {
  // each target: status, address in the end, fields, hash of the body
  async gets(...targets) {
    const found = {};
    for (const target of targets) {
      const response = await fetch(base + target);
      found[target] = {
        status: response.status,
        url: response.url,
        fields: Object.fromEntries(response.headers),
        sha256: sha256(Buffer.from(await response.arrayBuffer())),
      };
    }
    return found;
  },

  // one after the other, so that one connection is enough
  async many(count) {
    let right = 0;
    for (let number = 0; number < count; ++number) {
      const [status, text] = await textOf(await fetch(`${base}/small/${number}.txt`));
      right += status === 200 && text === smallFile(number);
    }
    return { right };
  },

  async together(count) {
    const answers = await Promise.all(Array.from({ length: Number(count) }, async (_, number) => {
      const [status, text] = await textOf(await fetch(`${base}/small/${number}.txt`));
      return status === 200 && text === smallFile(number);
    }));
    return { right: answers.filter(Boolean).length };
  },

  async kinds() {
    const first = await fetch(`${base}/prose.txt`);
    await first.text();
    const ask = async (headers) => textOf(await fetch(`${base}/prose.txt`, { headers }));
    const post = (body) => fetch(`${base}/data.json`, { method: 'POST', body, duplex: 'half' });
    const stream = new Blob(['x'.repeat(100000), 'y'.repeat(100000)]).stream();
    return {
      'if-none-match': await ask({ 'If-None-Match': first.headers.get('etag') }),
      'if-modified-since': await ask({ 'If-Modified-Since': first.headers.get('last-modified') }),
      head: await textOf(await fetch(`${base}/prose.txt`, { method: 'HEAD' })),
      range: await ask({ Range: 'bytes=5-14', 'Accept-Encoding': 'identity' }),
      post: await textOf(await post('x'.repeat(100000))),
      'post of a stream': await textOf(await post(stream)),
      'get after that': await textOf(await fetch(`${base}/data.json`)),
    };
  },

  // a body of which some was read is given up; then the whole of it is right again
  async abort(count) {
    let aborted = 0;
    let start;
    for (let number = 0; number < count; ++number) {
      const controller = new AbortController();
      const response = await fetch(`${base}/big.bin`, { signal: controller.signal });
      const reader = response.body.getReader();
      let bytes = Buffer.alloc(0);
      while (bytes.length < 1000) {
        bytes = Buffer.concat([bytes, (await reader.read()).value]);
      }
      start = sha256(bytes.subarray(0, 1000));
      controller.abort();
      try {
        while (!(await reader.read()).done);
      } catch (error) {
        aborted += error.name === 'AbortError';
      }
    }
    const response = await fetch(`${base}/big.bin`);
    const whole = sha256(Buffer.from(await response.arrayBuffer()));
    return { aborted, 'first bytes': start, afterwards: [response.status, whole] };
  },
};

console.log(JSON.stringify(await tasks[task](...words)));
