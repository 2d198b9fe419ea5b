#include "actors/admin/node_client.hpp"

#include "actors/net/message_io.hpp"

#include <algorithm>

namespace larql::actors {

namespace {

using steady = std::chrono::steady_clock;

// The next message, which must be a T.
template <class T>
result<T> answer(const secure_stream& s, const schema::message& request, time_limit until) {
  LARQL_TRY_VOID(write_message(s, request, until));
  LARQL_TRY(const auto got, read_message(s, schema::max_hello_bytes, until));
  if (const auto* no = std::get_if<schema::refused>(&got.message)) // of a laptop in between
    return fail(errc::unavailable, "{}: {}", s.peer(), no->reason);
  const auto* out = std::get_if<T>(&got.message);
  if (out == nullptr)
    return fail(errc::corrupt, "{}: answered with a message that was not asked for", s.peer());
  return *out;
}

} // namespace

schema::hello admin_hello() {
  return {schema::protocol_version, "larql status", {}};
}

result<node_report> query_status(const secure_stream& node,
                                 const schema::node_description& description, unsigned pings,
                                 time_limit until) {
  auto out = node_report{};
  out.description = description;
  // The status first: of a slow node it is all that there is time for.
  LARQL_TRY(out.status, answer<schema::node_status>(
                            node, schema::ask_status{pings, description.incarnation}, until));
  auto longest = steady::duration{};
  for (auto i = 0u; i < pings; ++i) {
    const auto begin = steady::now();
    if (begin + 2 * longest > until)
      break; // it would not answer in time, and is not worse for that
    const auto pong = answer<schema::pong>(node, schema::ping{i, description.incarnation}, until);
    if (!pong && pong.error().code == errc::deadline)
      break;
    if (!pong)
      return pong.error();
    if (pong->nonce != i)
      return fail(errc::corrupt, "{}: answered another ping", node.peer());
    const auto time = steady::now() - begin;
    longest = std::max(longest, time);
    out.round_trips_us.push_back(std::chrono::duration<float, std::micro>(time).count());
  }
  return out;
}

result<node_report> query_status(const topology::shard_url& at, const tls_context_ptr& tls,
                                 unsigned pings, time_limit until) {
  LARQL_TRY(const auto node, dial_node(at, tls, admin_hello(), until));
  LARQL_TRY(auto out, query_status(node.connection, node.description, pings, until));
  out.certificate_until = node.connection.identity().until;
  return out;
}

result<std::string> send_control(const secure_stream& node,
                                 const schema::node_description& description,
                                 schema::control_action action, time_limit until) {
  LARQL_TRY(auto done, answer<schema::controlled>(
                           node, schema::control{1, action, description.incarnation}, until));
  if (!done.ok)
    return fail(errc::unavailable, "node {} ({}): {}", description.node, node.peer(), done.text);
  return std::move(done.text);
}

result<std::string> send_control(const topology::shard_url& at, const tls_context_ptr& tls,
                                 schema::control_action action, time_limit dial_until,
                                 time_limit until) {
  LARQL_TRY(const auto node, dial_node(at, tls, admin_hello(), dial_until));
  return send_control(node.connection, node.description, action, until);
}

} // namespace larql::actors
