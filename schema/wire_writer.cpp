#include "schema/wire_writer.hpp"

#include "schema/session_writer.hpp"

namespace larql::schema {

namespace {

kj::ArrayPtr<const kj::byte> bytes_of(std::span<const std::byte> s) {
  return {reinterpret_cast<const kj::byte*>(s.data()), s.size()};
}

wire::NodeState wire_of(node_state s) {
  return static_cast<wire::NodeState>(s);
}

template <class Builder>
void put_model(Builder out, const model_identity& m) {
  out.setModel(m.name);
  out.setFingerprint(bytes_of(m.weights));
  out.setLayers(m.layers);
  out.setHidden(m.hidden);
  out.setExperts(m.experts);
  out.setExpertWidth(m.expert_width);
  out.setActivation(static_cast<wire::Activation>(m.activation));
  if (m.weights_digest)
    out.setWeightsDigest(bytes_of(*m.weights_digest));
}

void put_reach(wire::Reach::Builder out, const reach& x) {
  out.setCredits(x.credits);
  auto parts = out.initParts(static_cast<unsigned>(x.parts.size()));
  for (auto i = 0u; i < parts.size(); ++i) {
    const auto& owned = x.parts[i].owned;
    parts[i].setIncarnation(x.parts[i].incarnation);
    parts[i].setFirstLayer(owned.layers.first);
    parts[i].setLastLayer(owned.layers.last);
    parts[i].setFirstExpert(owned.experts.first);
    parts[i].setLastExpert(owned.experts.last);
  }
}

void put_description(wire::Welcome::Builder out, const node_description& x) {
  out.setProtocol(x.protocol);
  out.setNode(x.node);
  out.setIncarnation(x.incarnation);
  put_model(out, x.model);
  out.setFirstLayer(x.owned.layers.first);
  out.setLastLayer(x.owned.layers.last);
  out.setFirstExpert(x.owned.experts.first);
  out.setLastExpert(x.owned.experts.last);
  auto formats = out.initFormats(static_cast<unsigned>(x.formats.size()));
  for (auto i = std::size_t{0}; i < x.formats.size(); ++i)
    formats[i] = static_cast<kj::byte>(x.formats[i]);
  out.setMaxRows(x.max_rows);
  out.setState(wire_of(x.state));
  if (x.owned_digest)
    out.setOwnedDigest(bytes_of(*x.owned_digest));
  out.setSessions(x.sessions);
  if (!x.reached.parts.empty())
    put_reach(out.initReach(), x.reached);
}

void put(wire::Message::Builder m, const hello& x) {
  auto out = m.initHello();
  out.setProtocol(x.protocol);
  out.setName(x.name);
  if (x.model)
    put_model(out, *x.model);
}

void put(wire::Message::Builder m, const node_description& x) {
  put_description(m.initWelcome(), x);
}

void put(wire::Message::Builder m, const refused& x) {
  m.initRefused().setReason(x.reason);
}

void put(wire::Message::Builder m, const expert_call& x) {
  auto out = m.initCall();
  out.setId(x.id);
  out.setLayer(x.layer);
  out.setRows(x.rows);
  out.setFormat(static_cast<wire::Format>(x.format));
  out.setActivations(bytes_of(x.activations));
  out.setScales(bytes_of(x.scales));
  out.setPickRows(bytes_of(x.pick_rows));
  out.setPickExperts(bytes_of(x.pick_experts));
  out.setPickWeights(bytes_of(x.pick_weights));
  out.setPieceBytes(x.piece_bytes);
  out.setDirect(x.direct);
  out.setRemainingMicros(x.remaining_us);
  if (!x.whole_rows.empty())
    out.setWholeRows(bytes_of(x.whole_rows));
  out.setSums(static_cast<wire::Call::SumFormat>(x.sums));
}

void put(wire::Message::Builder m, const expert_result& x) {
  auto out = m.initResult();
  out.setId(x.id);
  out.setIncarnation(x.incarnation);
  out.setRows(x.rows);
  out.setWidths(bytes_of(x.widths));
  out.setSums(bytes_of(x.sums));
  out.setComputeNanos(x.compute_ns);
  out.setQueueNanos(x.queue_ns);
  out.setFirstRow(x.first_row);
  out.setCallRows(x.call_rows);
  if (!x.makers.empty())
    out.setMakers(bytes_of(x.makers));
  out.setForwardNanos(x.forward_ns);
}

void put(wire::Message::Builder m, const call_failed& x) {
  auto out = m.initFailed();
  out.setId(x.id);
  out.setIncarnation(x.incarnation);
  out.setCode(static_cast<wire::Failed::Code>(x.code));
  out.setText(x.text.substr(0, max_text_bytes));
  out.setFirstExpert(x.missing.first);
  out.setLastExpert(x.missing.last);
}

void put(wire::Message::Builder m, const ping& x) {
  auto out = m.initPing();
  out.setNonce(x.nonce);
  out.setNode(x.node);
}

void put(wire::Message::Builder m, const pong& x) {
  auto out = m.initPong();
  out.setNonce(x.nonce);
  out.setIncarnation(x.incarnation);
  out.setServed(x.served);
  out.setWaiting(x.waiting);
  out.setDraining(x.state == node_state::draining);
  out.setState(wire_of(x.state));
  if (x.owned_digest)
    out.setOwnedDigest(bytes_of(*x.owned_digest));
  if (!x.reached.parts.empty())
    put_reach(out.initReach(), x.reached);
}

void put(wire::Message::Builder m, const ask_status& x) {
  auto out = m.initAskStatus();
  out.setNonce(x.nonce);
  out.setNode(x.node);
}

void put(wire::Message::Builder m, const node_status& x) {
  auto out = m.initStatus();
  out.setNonce(x.nonce);
  out.setIncarnation(x.incarnation);
  out.setState(wire_of(x.state));
  out.setUptimeMillis(x.uptime_ms);
  out.setServed(x.served);
  out.setFailed(x.failed);
  out.setWaiting(x.waiting);
  out.setConnections(x.connections);
  out.setRestarts(x.restarts);
  out.setOwnedBytes(x.owned_bytes);
  out.setResidentBytes(x.resident_bytes);
  out.setRssBytes(x.rss_bytes);
  out.setLoadPercent(x.load_percent);
  out.setAnswers(static_cast<wire::NodeStatus::Answers>(x.answers));
  if (x.own_answers)
    out.setOwnAnswers(bytes_of(*x.own_answers));
  if (x.owned_digest)
    out.setOwnedDigest(bytes_of(*x.owned_digest));
  out.setRows(x.rows);
  out.setComputeNanos(x.compute_ns);
  out.setReachedNodes(x.reached_nodes);
  out.setForwardedCalls(x.forwarded_calls);
  out.setForwardedRows(x.forwarded_rows);
  out.setForwardNanos(x.forward_ns);
}

void put(wire::Message::Builder m, const control& x) {
  auto out = m.initControl();
  out.setId(x.id);
  out.setAction(static_cast<wire::Control::Action>(x.action));
  out.setNode(x.node);
}

void put(wire::Message::Builder m, const controlled& x) {
  auto out = m.initControlled();
  out.setId(x.id);
  out.setOk(x.ok);
  out.setText(x.text.substr(0, max_text_bytes));
}

void put(wire::Message::Builder m, const announce& x) {
  auto out = m.initAnnounce();
  auto description = x.node;
  if (!x.owns) { // an empty range says so
    description.owned.experts = {1, 0};
    description.formats.clear();
  }
  put_description(out.initDescription(), description);
  out.setAvailableBytes(x.available_bytes);
  out.setBytesPerExpert(x.bytes_per_expert);
}

void put(wire::Message::Builder m, const accepted& x) {
  auto out = m.initAccepted();
  out.setVerdict(static_cast<wire::Accepted::Verdict>(x.verdict));
  out.setFirstExpert(x.experts.first);
  out.setLastExpert(x.experts.last);
  out.setRetryMillis(x.retry_ms);
}

void put(wire::Message::Builder m, const node_list& x) {
  auto out = m.initNodes().initNodes(static_cast<unsigned>(x.nodes.size()));
  for (auto i = 0u; i < out.size(); ++i) {
    put_description(out[i].initDescription(), x.nodes[i].node);
    out[i].setAddress(x.nodes[i].address);
  }
}

void put(wire::Message::Builder m, const session_message& x) {
  write_session(m.initSession(), x);
}

} // namespace

void write(wire::Message::Builder to, const message& from) {
  std::visit([&](const auto& x) { put(to, x); }, from);
}

} // namespace larql::schema
