// Sends one run of an agent through the exporters of OpenTelemetry's JavaScript SDK: logs as JSON to an address that
// holds the token, spans as compressed protobuf with the token in a header.
// Arguments: the server's address, a token for addresses, a token for headers.
const { LoggerProvider, BatchLogRecordProcessor } = require('@opentelemetry/sdk-logs')
const { OTLPLogExporter } = require('@opentelemetry/exporter-logs-otlp-http')
const { OTLPTraceExporter } = require('@opentelemetry/exporter-trace-otlp-proto')
const { BasicTracerProvider, BatchSpanProcessor } = require('@opentelemetry/sdk-trace-base')
const { resourceFromAttributes } = require('@opentelemetry/resources')
const { context, diag, trace, SpanStatusCode } = require('@opentelemetry/api')

const [server, addressToken, headerToken] = process.argv.slice(2)

// A refusal, a partial success and a retry are warnings of the exporters: none of them may happen here.
function complain(...what) {
  console.error(...what)
  process.exitCode = 1
}
const quiet = () => {}
diag.setLogger({ error: complain, warn: complain, info: quiet, debug: quiet, verbose: quiet })

async function logs() {
  const exporter = new OTLPLogExporter({ url: `${server}/otlp/${addressToken}/v1/logs` })
  const provider = new LoggerProvider({
    resource: resourceFromAttributes({ 'service.name': 'gemini-cli', 'session.id': 'js-logs' }),
    processors: [new BatchLogRecordProcessor({ exporter })],
  })
  const logger = provider.getLogger('gemini-cli')
  const event = (name, attributes) => logger.emit({ body: name, attributes: { 'session.id': 'js-logs', 'event.name': name, ...attributes } })
  event('gemini_cli.user_prompt', { prompt: 'List the releases', prompt_id: 'p1', prompt_length: 17 })
  for (let i = 0; i < 3; i++) {
    event('gemini_cli.tool_call', { function_name: 'run_shell_command', function_args: JSON.stringify({ command: `helm list ${i}` }), duration_ms: 1500.5, success: i < 2, error: i < 2 ? undefined : 'exit 1', prompt_id: 'p1' })
  }
  event('gemini_cli.api_response', { model: 'gemini-pro', input_token_count: 10 })
  event('gemini_cli.event_of_tomorrow', { nested: { a: [1, 2.5, true] } })
  await provider.forceFlush()
  await provider.shutdown()
}

async function spans() {
  const exporter = new OTLPTraceExporter({ url: `${server}/v1/traces`, headers: { Authorization: `Bearer ${headerToken}` }, compression: 'gzip' })
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({ 'service.name': 'my-agent' }),
    spanProcessors: [new BatchSpanProcessor(exporter)],
  })
  const tracer = provider.getTracer('test')
  const begin = Date.now() - 10000
  const within = (parent, name, attributes, after = 0) => tracer.startSpan(name, { attributes, startTime: begin + after }, parent ? trace.setSpan(context.active(), parent) : context.active())
  const http = within(null, 'POST /chat', { 'http.method': 'POST', 'gen_ai.conversation.id': 'js-spans' })
  const agent = within(http, 'invoke_agent helper', { 'gen_ai.operation.name': 'invoke_agent', 'gen_ai.agent.name': 'helper', 'gen_ai.conversation.id': 'js-spans' })
  const outer = within(agent, 'call_llm', { 'gen_ai.request.model': 'small-1', 'gen_ai.system': 'x' }, 1000)
  const inner = within(outer, 'openai.chat', { 'llm.request.type': 'chat', 'gen_ai.response.model': 'small-1-2026', 'gen_ai.usage.input_tokens': 7, 'gen_ai.completion.0.content': 'I look it up.' }, 1010)
  inner.end(begin + 2990)
  outer.end(begin + 3000)
  const tool = within(agent, 'execute_tool look_up', { 'gen_ai.operation.name': 'execute_tool', 'gen_ai.tool.name': 'look_up', 'gen_ai.tool.call.id': 'call_js_1234567' }, 3000)
  tool.recordException(new Error('no such thing'))
  tool.setStatus({ code: SpanStatusCode.ERROR, message: 'failed' })
  tool.end(begin + 3250)
  await provider.forceFlush() // the agent goes on: its span is sent later than those below it
  agent.end()
  http.end()
  await provider.forceFlush()
  await provider.shutdown()
}

logs().then(spans).catch((err) => {
  console.error(err)
  process.exitCode = 1
})
