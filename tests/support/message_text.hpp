// A message of the wire as text with every field in it: what tests compare, and what they print
// when two messages differ.

#pragma once

#include "schema/messages.hpp"
#include "tests/support/session_text.hpp"

#include <fmt/format.h>

#include <string>

namespace larql::test {

/// Bytes as hex.
inline std::string hex(std::span<const std::byte> bytes) {
  auto out = std::string{};
  for (const auto b : bytes)
    out += fmt::format("{:02x}", static_cast<unsigned>(b));
  return out;
}

inline std::string text_of(const schema::model_identity& m) {
  return fmt::format("model={} weights={} layers={} hidden={} experts={} width={} digest={} "
                     "activation={}",
                     m.name, hex(m.weights), m.layers, m.hidden, m.experts, m.expert_width,
                     m.weights_digest ? hex(*m.weights_digest) : "unknown",
                     quant::name_of(m.activation));
}
inline std::string text_of(const schema::reach& r) {
  auto out = r.parts.empty() ? std::string{} : fmt::format(" credits={}", r.credits);
  for (const auto& p : r.parts)
    out += fmt::format(" reaches {}:{}/{}", p.incarnation, to_string(p.owned.layers),
                       to_string(p.owned.experts));
  return out;
}
inline std::string text_of(const schema::hello& m) {
  return fmt::format("hello protocol={} name={} {}", m.protocol, m.name,
                     m.model ? text_of(*m.model) : "no model");
}
inline std::string text_of(const schema::node_description& m) {
  auto formats = std::string{};
  for (const auto f : m.formats)
    formats += fmt::format("{} ", static_cast<int>(f));
  return fmt::format("welcome protocol={} node={} incarnation={} {} owned={}/{} formats={} rows={} "
                     "state={}{}{}",
                     m.protocol, m.node, m.incarnation, text_of(m.model), to_string(m.owned.layers),
                     to_string(m.owned.experts), formats, m.max_rows, static_cast<int>(m.state),
                     m.sessions != 0 ? fmt::format(" sessions={}", m.sessions) : "",
                     text_of(m.reached));
}
inline std::string text_of(const schema::refused& m) {
  return fmt::format("refused reason={}", m.reason);
}
inline std::string text_of(const schema::expert_call& m) {
  return fmt::format("call id={} layer={} rows={} format={} activations={} scales={} pick_rows={} "
                     "pick_experts={} pick_weights={} direct={} remaining={} whole={} sums={}",
                     m.id, m.layer, m.rows, static_cast<int>(m.format), hex(m.activations),
                     hex(m.scales), hex(m.pick_rows), hex(m.pick_experts), hex(m.pick_weights),
                     m.direct, m.remaining_us, hex(m.whole_rows), name_of(m.sums)) +
         (m.piece_bytes != 0 ? fmt::format(" pieces={}", m.piece_bytes) : "");
}
inline std::string text_of(const schema::expert_result& m) {
  return fmt::format("result id={} incarnation={} rows={} widths={} sums={} compute={} queue={} "
                     "makers={} forward={}",
                     m.id, m.incarnation, m.rows, hex(m.widths), hex(m.sums), m.compute_ns,
                     m.queue_ns, hex(m.makers), m.forward_ns) +
         (m.is_piece() ? fmt::format(" piece={}/{}", m.first_row, m.call_rows) : "");
}
inline std::string text_of(const schema::call_failed& m) {
  const auto missing =
      m.missing.last == 0 ? std::string{} : fmt::format(" missing={}", to_string(m.missing));
  return fmt::format("failed id={} incarnation={} code={} text={}{}", m.id, m.incarnation,
                     static_cast<int>(m.code), m.text, missing);
}
inline std::string text_of(const schema::ping& m) {
  return fmt::format("ping nonce={} node={}", m.nonce, m.node);
}
inline std::string text_of(const schema::pong& m) {
  return fmt::format("pong nonce={} incarnation={} served={} waiting={} state={}{}{}", m.nonce,
                     m.incarnation, m.served, m.waiting, static_cast<int>(m.state),
                     m.owned_digest ? " digest=" + hex(*m.owned_digest) : "", text_of(m.reached));
}
inline std::string text_of(const schema::ask_status& m) {
  return fmt::format("ask status nonce={} node={}", m.nonce, m.node);
}
inline std::string text_of(const schema::node_status& m) {
  return fmt::format("status nonce={} incarnation={} state={} uptime={} served={} failed={} "
                     "waiting={} connections={} restarts={} owned={} resident={} rss={} load={} "
                     "answers={} own={}{} rows={} compute={} reached={} forwarded={}/{}/{}",
                     m.nonce, m.incarnation, static_cast<int>(m.state), m.uptime_ms, m.served,
                     m.failed, m.waiting, m.connections, m.restarts, m.owned_bytes,
                     m.resident_bytes, m.rss_bytes, m.load_percent, static_cast<int>(m.answers),
                     m.own_answers ? hex(*m.own_answers) : "",
                     m.owned_digest ? " digest=" + hex(*m.owned_digest) : "", m.rows, m.compute_ns,
                     m.reached_nodes, m.forwarded_calls, m.forwarded_rows, m.forward_ns);
}
inline std::string text_of(const schema::control& m) {
  return fmt::format("control id={} action={} node={}", m.id, static_cast<int>(m.action), m.node);
}
inline std::string text_of(const schema::controlled& m) {
  return fmt::format("controlled id={} ok={} text={}", m.id, m.ok, m.text);
}
inline std::string text_of(const schema::announce& m) {
  return fmt::format("announce {} owns={} available={} per_expert={}", text_of(m.node), m.owns,
                     m.available_bytes, m.bytes_per_expert);
}
inline std::string text_of(const schema::accepted& m) {
  return fmt::format("accepted verdict={} experts={} retry={}", static_cast<int>(m.verdict),
                     to_string(m.experts), m.retry_ms);
}
inline std::string text_of(const schema::node_list& m) {
  auto out = std::string{"nodes"};
  for (const auto& n : m.nodes)
    out += fmt::format(" [{} at {}]", text_of(n.node), n.address);
  return out;
}
inline std::string text_of(const schema::message& m) {
  return std::visit([](const auto& x) { return text_of(x); }, m);
}

} // namespace larql::test
