// Takes the calls that `serri-relay post` signs and asks the vendors' own packages whether they are valid.
import { execFile } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import path from 'node:path';
import { promisify } from 'node:util';

const [relay, work] = process.argv.slice(2);
const require = createRequire(path.join(work, 'oracles.mjs'));
const run = promisify(execFile);
const PUBLIC_URL = 'https://hooks.example.com';
const SECRET = 'a-secret-for-the-oracles-0123456789';
const WHSEC = `whsec_${Buffer.from(SECRET).toString('base64')}`;
const pair = crypto.generateKeyPairSync('ed25519');
const publicKey = pair.publicKey.export({ type: 'spki', format: 'der' }).toString('base64');

const truthy = check => {
  try {
    const result = check();
    return result instanceof Promise ? result.then(Boolean, () => false) : Promise.resolve(Boolean(result));
  } catch {
    return Promise.resolve(false);
  }
};

// each: source, sample, secret, what the vendor's package says of a captured call
const ORACLES = [
  ['stripe', 'checkout', SECRET, async ({ headers, body }) => {
    const { default: Stripe } = await import(require.resolve('stripe'));
    return truthy(() => new Stripe('sk_test_x').webhooks.constructEvent(body, headers['stripe-signature'], SECRET));
  }],
  ['standard-webhooks', 'contact', WHSEC, ({ headers, body }) => {
    const { Webhook } = require('standardwebhooks');
    return truthy(() => new Webhook(WHSEC).verify(body, headers));
  }],
  ['hubspot', 'batch', SECRET, ({ method, url, headers, body }) => {
    const { Signature } = require('@hubspot/api-client');
    return truthy(() => Signature.isValid({
      signatureVersion: 'v3', signature: headers['x-hubspot-signature-v3'], method, clientSecret: SECRET, requestBody: body,
      url: PUBLIC_URL + url, timestamp: Number(headers['x-hubspot-request-timestamp']),
    }));
  }],
  ['razorpay', 'payment', SECRET, ({ headers, body }) => {
    const Razorpay = require('razorpay');
    return truthy(() => Razorpay.validateWebhookSignature(body, headers['x-razorpay-signature'], SECRET));
  }],
  ['meta-leads', 'batch', SECRET, async ({ headers, body }) => {
    // GitHub's scheme is Meta's
    const { verify } = await import(path.join(work, 'node_modules/@octokit/webhooks-methods/dist-node/index.js'));
    return truthy(() => verify(SECRET, body, headers['x-hub-signature-256']));
  }],
  ['webflow', 'submission', SECRET, ({ headers, body }) => {
    const { WebflowClient } = require('webflow-api');
    return truthy(() => new WebflowClient({ accessToken: 'x' }).webhooks.verifySignature({ headers, body, secret: SECRET }));
  }],
  ['shopify', 'order', SECRET, async ({ method, url, headers, body }) => {
    await import(path.join(work, 'node_modules/@shopify/shopify-api/dist/esm/adapters/node/index.mjs'));
    const { shopifyApi, ApiVersion, LogSeverity } = await import(path.join(work, 'node_modules/@shopify/shopify-api/dist/esm/lib/index.mjs'));
    const shopify = shopifyApi({
      apiKey: 'key', apiSecretKey: SECRET, hostName: 'hooks.example.com', isEmbeddedApp: false, scopes: [],
      apiVersion: Object.values(ApiVersion)[0], logger: { level: LogSeverity.Error, log: () => {} },
    });
    const said = await shopify.webhooks.validate({ rawBody: body, rawRequest: { method, url, headers } });
    return said.valid;
  }],
  ['cashfree', 'payment', SECRET, ({ headers, body }) => {
    const { Cashfree, CFEnvironment } = require('cashfree-pg');
    const client = new Cashfree(CFEnvironment.SANDBOX, 'id', SECRET);
    return truthy(() => client.PGVerifyWebhookSignature(headers['x-webhook-signature'], body, headers['x-webhook-timestamp']));
  }],
];

const config = path.join(work, 'config');
fs.mkdirSync(config, { recursive: true });
const command = (...words) => run(relay, ['--config', config, ...words], { env: { PATH: process.env.PATH } });

// a server that stands where the relay would, and keeps what comes
let captured;
const server = http.createServer((request, response) => {
  const chunks = [];
  request.on('data', chunk => chunks.push(chunk));
  request.on('end', () => {
    const { method, url, headers } = request;
    captured = { method, url, headers, body: Buffer.concat(chunks).toString('utf8') };
    response.end('{}');
  });
});
await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
const base = `http://127.0.0.1:${server.address().port}`;
fs.writeFileSync(path.join(config, 'relay.yaml'),
  `server: { listen: '127.0.0.1:0', public_url: '${PUBLIC_URL}' }\nadmin: { listen: '127.0.0.1:0' }\nstore: { url: 'sqlite:${work}/relay.db' }\n`);

let failures = 0;
const report = (source, what, right) => {
  if (!right) failures += 1;
  console.log(`${right ? 'ok  ' : 'FAIL'} ${source}: ${what}`);
};

for (const [source, sample, secret, isValid] of ORACLES) {
  await command('new', source, '--source', source);
  const file = path.join(config, 'routes', `${source}.yaml`);
  fs.writeFileSync(file, fs.readFileSync(file, 'utf8').replace(/^secret: .*$/m, `secret: ${secret}`));
  await command('post', source, sample, '--url', base);
  report(source, 'what the relay signs is valid for the vendor', await isValid(captured));
  report(source, 'with one byte more it is not', !(await isValid({ ...captured, body: `${captured.body} ` })));
}
server.close();

// HighLevel alone can sign its calls: here a key of ours stands for its own, on both sides
const { WebhookManager } = require(path.join(work, 'node_modules/@gohighlevel/api-client/dist/lib/webhook/webhook-manager.js'));
fs.writeFileSync(path.join(config, 'routes/gohighlevel.yaml'),
  `source: gohighlevel\nauth: { ed25519: { header: X-GHL-Signature, encoding: base64, secret: ${publicKey} } }\nsends: []\n`);
const child = execFile(relay, ['--config', config, 'serve'], { env: { PATH: process.env.PATH, SERRI_RELAY_LOG_FORMAT: 'json' } });
process.on('exit', () => child.kill());
const address = await new Promise((resolve, reject) => {
  let text = '';
  child.stderr.on('data', chunk => {
    text += chunk;
    const line = text.split('\n').find(line => line.includes('serri-relay is running'));
    if (line) resolve(JSON.parse(line).webhooks);
  });
  child.on('exit', () => reject(new Error(text)));
});
const body = JSON.stringify({ type: 'ContactCreate', webhookId: crypto.randomUUID(), phone: '+919812345670' });
const signature = crypto.sign(null, Buffer.from(body), pair.privateKey).toString('base64');
const pem = pair.publicKey.export({ type: 'spki', format: 'pem' });
const manager = Object.assign(Object.create(WebhookManager.prototype), { logger: { debug() {}, error() {} } });
const send = async text => (await fetch(`http://${address}/webhooks/gohighlevel`, {
  method: 'POST', body: text, headers: { 'Content-Type': 'application/json', 'X-GHL-Signature': signature },
})).status;
const vendor = text => manager.verifyEd25519Signature(text, signature, pem);
report('gohighlevel', 'what is valid for the vendor is accepted', vendor(body) && (await send(body)) === 200);
report('gohighlevel', 'with one byte more neither takes it', !vendor(`${body} `) && (await send(`${body} `)) === 401);

console.log(failures === 0 ? `oracles: ${ORACLES.length + 1} vendors agree` : `oracles: ${failures} failed`);
process.exit(failures === 0 ? 0 : 1);
