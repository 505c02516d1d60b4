// The JavaScript client against a node: what is done is named by the first argument. Says nothing and
// ends with 0, or throws. KUBECONFIG names the cluster; pods `web` and `half` run in it.
import assert from 'node:assert';
import { PassThrough, Readable, Writable } from 'node:stream';
import * as k8s from '@kubernetes/client-node';
import WebSocket from 'ws';

const kc = new k8s.KubeConfig();
kc.loadFromDefault();
const core = kc.makeApiClient(k8s.CoreV1Api);
const namespace = 'default';

class Sink extends Writable {
    constructor() {
        super();
        this.chunks = [];
    }
    _write(chunk, encoding, done) {
        this.chunks.push(Buffer.from(chunk));
        done();
    }
    get bytes() {
        return Buffer.concat(this.chunks);
    }
    get text() {
        return this.bytes.toString();
    }
}

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

async function until(what, condition) {
    for (let i = 0; i < 200; i++) {
        if (await condition()) return;
        await sleep(50);
    }
    assert.fail(`never: ${what}`);
}

const configMap = (name, data) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace, labels: { by: 'js' } }, data });
const create = (name) => core.createNamespacedConfigMap({ namespace, body: configMap(name, { value: '1' }) });
const remove = (name) => core.deleteNamespacedConfigMap({ namespace, name });

// More than the store keeps for watches.
async function forgetHistory() {
    await core.createNamespacedConfigMap({ namespace, body: configMap('bulk-js', {}) });
    for (let i = 0; i < 12; i++) {
        const body = configMap('bulk-js', { text: String(i % 10).repeat(700000) });
        await core.replaceNamespacedConfigMap({ namespace, name: 'bulk-js', body });
    }
    await remove('bulk-js');
}

function informerOf(events) {
    let lists = 0;
    const listFn = () => {
        lists++;
        return core.listNamespacedConfigMap({ namespace, labelSelector: 'by=js' });
    };
    const informer = k8s.makeInformer(kc, `/api/v1/namespaces/${namespace}/configmaps`, listFn, 'by=js');
    for (const verb of ['add', 'update', 'delete'])
        informer.on(verb, (o) => o.metadata.name !== 'bulk-js' && events.push(`${verb} ${o.metadata.name}`));
    informer.on('error', (e) => events.push(`error ${e}`));
    return { informer, lists: () => lists };
}

const steps = {
    async informer() {
        const events = [];
        const { informer, lists } = informerOf(events);
        await create('first');
        await informer.start();
        await until('the list', () => informer.get('first', namespace));
        await create('second');
        await core.replaceNamespacedConfigMap({ namespace, name: 'second', body: configMap('second', { value: '2' }) });
        await remove('second');
        await until('the watch', () => events.includes('delete second'));
        assert.deepEqual(events, ['add first', 'add second', 'update second', 'delete second']);
        assert.equal(lists(), 1);
        await informer.stop();
        const old = informer.latestResourceVersion();
        await remove('first');
        await create('third');
        await forgetHistory();
        await informer.start(); // from the old version: 410, so it lists again
        await until('the list again', () => informer.get('third', namespace));
        assert.equal(lists(), 2);
        assert.ok(events.includes('delete first') && events.includes('add third'), String(events));
        assert.notEqual(informer.latestResourceVersion(), old);
        await create('fourth');
        await until('the watch again', () => informer.get('fourth', namespace));
        await informer.stop();
        await remove('third');
        await remove('fourth');
    },

    async apply() {
        const objects = k8s.KubernetesObjectApi.makeApiClient(kc);
        const apply = (manager, force, data) =>
            objects.patch(configMap('applied', data), undefined, undefined, manager, force, k8s.PatchStrategy.ServerSideApply);
        let o = await apply('one', false, { a: '1', b: '1' });
        assert.equal(o.metadata.managedFields[0].operation, 'Apply');
        await assert.rejects(apply('two', false, { a: '2' }), (e) => e.code === 409);
        o = await apply('two', true, { a: '2' });
        o = await apply('one', false, { b: '3' });
        assert.deepEqual(o.data, { a: '2', b: '3' });
        await remove('applied');
    },

    async exec() {
        const out = new Sink(), err = new Sink();
        const run = (container, command, input) =>
            new Promise((done, fail) =>
                new k8s.Exec(kc).exec(namespace, 'web', container, command, out, err, input, false, done).catch(fail));
        const status = await run('web', ['sh', '-c', 'cat; echo oops >&2; exit 5'], Readable.from(['through ', 'stdin']));
        assert.equal(out.text, 'through stdin');
        assert.equal(err.text, 'oops\n');
        assert.equal(status.status, 'Failure');
        assert.equal(status.details.causes[0].message, '5');
        assert.equal((await run('web', ['true'], null)).status, 'Success');
    },

    async portForward() {
        const out = new Sink(), err = new Sink(), input = new PassThrough();
        const socket = await new k8s.PortForward(kc).portForward(namespace, 'web', [8080], out, err, input);
        input.write('GET / HTTP/1.0\r\n\r\n');
        await until('an answer', () => out.text.includes('v1'));
        assert.equal(err.text, '');
        assert.match(out.text, /^HTTP\/1\.[01] 200/);
        socket.close();
    },

    async log() {
        const out = new Sink();
        await new k8s.Log(kc).log(namespace, 'half', 'ended', out, { follow: false });
        await until('the log', () => out.text === 'finished\n');
    },

    // Raw WebSockets: each protocol in its own words.
    async protocols() {
        const path = `/api/v1/namespaces/${namespace}/pods`;
        const command = 'command=sh&command=-c&command=echo%20hi%3B%20exit%204&stdout=1&stderr=1';
        const status = (s) => assert.equal(JSON.parse(s).details.causes[0].message, '4');
        const words = (s) => assert.match(s, /^command terminated with non-zero exit code.* exit code 4$/);
        for (const [protocol, base64, last] of [
            ['v5.channel.k8s.io', false, status], ['v4.channel.k8s.io', false, status],
            ['v4.base64.channel.k8s.io', true, status], ['channel.k8s.io', false, words],
            ['base64.channel.k8s.io', true, words], [undefined, false, words]]) {
            const streams = split(await talk(`${path}/web/exec?${command}`, protocol), base64);
            assert.equal(streams[1], 'hi\n', protocol);
            last(streams[3]);
        }
        for (const [protocol, base64] of [['v4.channel.k8s.io', false], ['v4.base64.channel.k8s.io', true]]) {
            const ask = Buffer.from('GET / HTTP/1.0\r\n\r\n');
            const first = base64 ? '0' + ask.toString('base64') : Buffer.concat([Buffer.from([0]), ask]);
            const streams = split(await talk(`${path}/web/portforward?ports=8080`, protocol, first), base64);
            assert.equal(streams[0].charCodeAt(0) + 256 * streams[0].charCodeAt(1), 8080);
            assert.match(streams[0], /v1/);
            assert.equal(streams[1].length, 2);
        }
        for (const [protocol, base64] of [['binary.k8s.io', false], ['base64.binary.k8s.io', true], [undefined, false]]) {
            const messages = await talk(`${path}/half/log?container=ended`, protocol);
            const parts = messages.map((m) => (base64 ? Buffer.from(m.toString(), 'base64') : m));
            assert.equal(Buffer.concat(parts).toString(), 'finished\n', protocol);
        }
        await assert.rejects(talk(`${path}/web/exec?${command}`, 'v9.channel.k8s.io'), /403/);
    },
};

// The messages of a connection until the server closes it.
async function talk(path, protocol, first) {
    const options = {};
    await kc.applyToHTTPSOptions(options);
    const { agent } = options;
    return new Promise((done, fail) => {
        const socket = new WebSocket(kc.getCurrentCluster().server.replace('https', 'wss') + path, protocol ? [protocol] : [], { ...options, agent });
        const messages = [];
        socket.on('open', () => first && socket.send(first));
        socket.on('message', (m) => messages.push(m));
        socket.on('error', fail);
        socket.on('close', () => {
            if (socket.protocol !== (protocol ?? '')) fail(new Error(`the protocol is ${socket.protocol}`));
            done(messages);
        });
    });
}

function split(messages, base64) {
    const streams = {};
    for (const m of messages) {
        const number = base64 ? m[0] - 48 : m[0];
        const bytes = base64 ? Buffer.from(m.subarray(1).toString(), 'base64') : m.subarray(1);
        streams[number] = (streams[number] ?? '') + bytes.toString('latin1');
    }
    return streams;
}

await steps[process.argv[2]]();
process.exit(0);
