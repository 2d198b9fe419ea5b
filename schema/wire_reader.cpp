#include "schema/wire_reader.hpp"

#include "schema/session_reader.hpp"

#include <cstring>

namespace larql::schema {

namespace {

using quant::activation_format;

// Numbers that this version does not know come from a later one.
node_state state_of(wire::NodeState s) {
  const auto code = static_cast<unsigned>(s);
  return code > 3 ? node_state::degraded : static_cast<node_state>(code);
}

result<std::optional<fingerprint>> get_digest_or_none(std::span<const std::byte> bytes,
                                                      const std::string& field) {
  if (bytes.empty())
    return std::optional<fingerprint>{};
  LARQL_TRY(const auto digest, read_exactly<fingerprint>(bytes, field));
  return std::optional{digest};
}

template <class Reader>
result<model_identity> get_model(Reader r, std::string_view where) {
  auto out = model_identity{};
  const auto field = [&](const char* name) { return fmt::format("{}.{}", where, name); };
  LARQL_TRY(out.name, read_text(r.getModel(), max_text_bytes, field("model")));
  LARQL_TRY(out.weights,
            read_exactly<fingerprint>(span_of(r.getFingerprint()), field("fingerprint")));
  out.layers = r.getLayers();
  out.hidden = r.getHidden();
  out.experts = r.getExperts();
  out.expert_width = r.getExpertWidth();
  const auto activation = static_cast<std::size_t>(r.getActivation());
  if (activation >= quant::activation_function_count)
    return bad_message(field("activation"), fmt::format("is {}, which is no activation function "
                                                        "that this version knows",
                                                        activation));
  out.activation = static_cast<quant::activation_function>(activation);
  if (const auto digest = span_of(r.getWeightsDigest()); !digest.empty()) {
    LARQL_TRY(out.weights_digest, read_exactly<fingerprint>(digest, field("weightsDigest")));
  }
  return out;
}

result<message> get(wire::Hello::Reader r) {
  auto out = hello{};
  out.protocol = r.getProtocol();
  LARQL_TRY(out.name, read_text(r.getName(), max_name_bytes, "hello.name"));
  if (r.getFingerprint().size() != 0) {
    LARQL_TRY(out.model, get_model(r, "hello"));
  }
  return message{std::move(out)};
}

result<reach> get_reach(wire::Reach::Reader r, const std::string& field) {
  auto out = reach{};
  const auto parts = r.getParts();
  if (parts.size() > max_reached)
    return bad_message(
        field, fmt::format("names {} owners, at most {} allowed", parts.size(), max_reached));
  out.credits = r.getCredits();
  for (const auto p : parts) {
    const auto owned = experts::ownership{{p.getFirstLayer(), p.getLastLayer()},
                                          {p.getFirstExpert(), p.getLastExpert()}};
    if (owned.layers.first > owned.layers.last || owned.experts.first > owned.experts.last)
      return bad_message(field,
                         fmt::format("holds layers {}-{} and experts {}-{}", owned.layers.first,
                                     owned.layers.last, owned.experts.first, owned.experts.last));
    out.parts.push_back({p.getIncarnation(), owned});
  }
  return out;
}

// `owns` is false where an empty range of experts is allowed and found.
result<node_description> get_description(wire::Welcome::Reader r, bool may_be_empty, bool& owns) {
  auto out = node_description{};
  out.protocol = r.getProtocol();
  LARQL_TRY(out.node, read_text(r.getNode(), max_name_bytes, "welcome.node"));
  out.incarnation = r.getIncarnation();
  LARQL_TRY(out.model, get_model(r, "welcome"));
  out.owned = {{r.getFirstLayer(), r.getLastLayer()}, {r.getFirstExpert(), r.getLastExpert()}};
  const auto& o = out.owned;
  owns = !(may_be_empty && o.experts.first == 1 && o.experts.last == 0);
  if (o.layers.first > o.layers.last || o.layers.last >= out.model.layers ||
      (owns && (o.experts.first > o.experts.last || o.experts.last >= out.model.experts)))
    return bad_message("welcome", fmt::format("owns layers {}-{} and experts {}-{} of {} × {}",
                                              o.layers.first, o.layers.last, o.experts.first,
                                              o.experts.last, out.model.layers, out.model.experts));
  const auto formats = span_of(r.getFormats());
  const auto expected = owns ? o.layers.count() : 0;
  if (formats.size() != expected)
    return bad_message("welcome.formats",
                       fmt::format("has {} entries, expected {}", formats.size(), expected));
  for (const auto f : formats) {
    if (f > std::byte{2})
      return bad_message("welcome.formats",
                         fmt::format("holds {}, which is no format", static_cast<int>(f)));
    out.formats.push_back(static_cast<activation_format>(f));
  }
  out.max_rows = r.getMaxRows();
  if (out.max_rows == 0)
    return bad_message("welcome.maxRows", "is 0");
  out.state = state_of(r.getState());
  LARQL_TRY(out.owned_digest,
            get_digest_or_none(span_of(r.getOwnedDigest()), "welcome.ownedDigest"));
  out.sessions = r.getSessions();
  LARQL_TRY(out.reached, get_reach(r.getReach(), "welcome.reach"));
  return out;
}

result<message> get(wire::Welcome::Reader r) {
  auto owns = true;
  LARQL_TRY(auto out, get_description(r, false, owns));
  return message{std::move(out)};
}

result<message> get(wire::Refused::Reader r) {
  auto out = refused{};
  LARQL_TRY(out.reason, read_text(r.getReason(), max_text_bytes, "refused.reason"));
  return message{std::move(out)};
}

result<message> get(wire::Call::Reader r) {
  auto out = expert_call{};
  out.id = r.getId();
  out.layer = r.getLayer();
  out.rows = r.getRows();
  const auto format = static_cast<unsigned>(r.getFormat());
  if (format > 2)
    return bad_message("call.format", fmt::format("is {}, which is no format", format));
  out.format = static_cast<activation_format>(format);
  out.activations = span_of(r.getActivations());
  out.scales = span_of(r.getScales());
  out.pick_rows = span_of(r.getPickRows());
  out.pick_experts = span_of(r.getPickExperts());
  out.pick_weights = span_of(r.getPickWeights());
  out.piece_bytes = r.getPieceBytes();
  out.direct = r.getDirect();
  out.remaining_us = r.getRemainingMicros();
  out.whole_rows = span_of(r.getWholeRows());
  if (!out.whole_rows.empty() && out.whole_rows.size() != out.rows)
    return bad_message("call.wholeRows",
                       fmt::format("has {} entries, expected {}", out.whole_rows.size(), out.rows));
  const auto sums = static_cast<std::size_t>(r.getSums());
  if (sums >= quant::sum_formats)
    return bad_message("call.sums", fmt::format("is {}, which is no format", sums));
  out.sums = static_cast<quant::sum_format>(sums);
  return message{out};
}

result<message> get(wire::Result::Reader r) {
  auto out = expert_result{};
  out.id = r.getId();
  out.incarnation = r.getIncarnation();
  out.rows = r.getRows();
  out.widths = span_of(r.getWidths());
  out.sums = span_of(r.getSums());
  out.compute_ns = r.getComputeNanos();
  out.queue_ns = r.getQueueNanos();
  out.first_row = r.getFirstRow();
  out.call_rows = r.getCallRows();
  if (out.is_piece() &&
      (out.rows == 0 || out.first_row > out.call_rows || out.rows > out.call_rows - out.first_row))
    return bad_message("result.firstRow", fmt::format("is {} with {} of {} rows", out.first_row,
                                                      out.rows, out.call_rows));
  out.makers = span_of(r.getMakers());
  if (out.makers.size() % 8 != 0 || out.makers.size() / 8 > max_reached)
    return bad_message("result.makers",
                       fmt::format("has {} bytes, expected at most {} numbers of 8",
                                   out.makers.size(), max_reached));
  out.forward_ns = r.getForwardNanos();
  return message{out};
}

result<message> get(wire::Failed::Reader r) {
  auto out = call_failed{};
  out.id = r.getId();
  out.incarnation = r.getIncarnation();
  const auto code = static_cast<unsigned>(r.getCode());
  out.code = code > 6 ? failure_code::internal : static_cast<failure_code>(code);
  LARQL_TRY(out.text, read_text(r.getText(), max_text_bytes, "failed.text"));
  out.missing = {r.getFirstExpert(), r.getLastExpert()};
  if (out.missing.first > out.missing.last)
    return bad_message("failed",
                       fmt::format("names experts {}-{}", out.missing.first, out.missing.last));
  return message{std::move(out)};
}

result<message> get(wire::Ping::Reader r) {
  return message{ping{r.getNonce(), r.getNode()}};
}

result<message> get(wire::AskStatus::Reader r) {
  return message{ask_status{r.getNonce(), r.getNode()}};
}

result<message> get(wire::Pong::Reader r) {
  const auto state = r.getDraining() ? node_state::draining : state_of(r.getState());
  auto out = pong{r.getNonce(), r.getIncarnation(), r.getServed(), r.getWaiting(), state};
  LARQL_TRY(out.owned_digest, get_digest_or_none(span_of(r.getOwnedDigest()), "pong.ownedDigest"));
  LARQL_TRY(out.reached, get_reach(r.getReach(), "pong.reach"));
  return message{std::move(out)};
}

result<message> get(wire::NodeStatus::Reader r) {
  auto out = node_status{r.getNonce(),        r.getIncarnation(),   state_of(r.getState()),
                         r.getUptimeMillis(), r.getServed(),        r.getFailed(),
                         r.getWaiting(),      r.getConnections(),   r.getRestarts(),
                         r.getOwnedBytes(),   r.getResidentBytes(), r.getRssBytes(),
                         r.getLoadPercent()};
  const auto answers = static_cast<unsigned>(r.getAnswers());
  out.answers = answers > 2 ? answers_state::unchecked : static_cast<answers_state>(answers);
  LARQL_TRY(out.own_answers, get_digest_or_none(span_of(r.getOwnAnswers()), "status.ownAnswers"));
  LARQL_TRY(out.owned_digest,
            get_digest_or_none(span_of(r.getOwnedDigest()), "status.ownedDigest"));
  out.rows = r.getRows();
  out.compute_ns = r.getComputeNanos();
  out.reached_nodes = r.getReachedNodes();
  out.forwarded_calls = r.getForwardedCalls();
  out.forwarded_rows = r.getForwardedRows();
  out.forward_ns = r.getForwardNanos();
  return message{std::move(out)};
}

result<message> get(wire::Control::Reader r) {
  const auto action = static_cast<unsigned>(r.getAction());
  if (action > 2)
    return bad_message("control.action", fmt::format("is {}, which is no action", action));
  return message{control{r.getId(), static_cast<control_action>(action), r.getNode()}};
}

result<message> get(wire::Controlled::Reader r) {
  auto out = controlled{r.getId(), r.getOk(), {}};
  LARQL_TRY(out.text, read_text(r.getText(), max_text_bytes, "controlled.text"));
  return message{std::move(out)};
}

result<message> get(wire::Announce::Reader r) {
  auto out = announce{};
  LARQL_TRY(out.node, get_description(r.getDescription(), true, out.owns));
  out.available_bytes = r.getAvailableBytes();
  out.bytes_per_expert = r.getBytesPerExpert();
  if (!out.owns && out.bytes_per_expert == 0)
    return bad_message("announce.bytesPerExpert", "is 0");
  return message{std::move(out)};
}

result<message> get(wire::Accepted::Reader r) {
  const auto code = static_cast<unsigned>(r.getVerdict());
  if (code > 2)
    return bad_message("accepted.verdict", fmt::format("is {}, which is no verdict", code));
  const auto out = accepted{
      static_cast<verdict>(code), {r.getFirstExpert(), r.getLastExpert()}, r.getRetryMillis()};
  if (out.experts.first > out.experts.last)
    return bad_message("accepted",
                       fmt::format("names experts {}-{}", out.experts.first, out.experts.last));
  return message{out};
}

result<message> get(wire::NodeList::Reader r) {
  auto out = node_list{};
  const auto entries = r.getNodes();
  LARQL_TRY_VOID(check_count(entries.size(), max_listed_nodes, "nodes"));
  for (const auto entry : entries) {
    auto owns = true;
    auto& to = out.nodes.emplace_back();
    LARQL_TRY(to.node, get_description(entry.getDescription(), false, owns));
    LARQL_TRY(to.address, read_text(entry.getAddress(), max_text_bytes, "nodes.address"));
  }
  return message{std::move(out)};
}

} // namespace

result<message> read(wire::Message::Reader r) {
  switch (r.which()) {
  case wire::Message::HELLO: return get(r.getHello());
  case wire::Message::WELCOME: return get(r.getWelcome());
  case wire::Message::REFUSED: return get(r.getRefused());
  case wire::Message::CALL: return get(r.getCall());
  case wire::Message::RESULT: return get(r.getResult());
  case wire::Message::FAILED: return get(r.getFailed());
  case wire::Message::PING: return get(r.getPing());
  case wire::Message::PONG: return get(r.getPong());
  case wire::Message::ASK_STATUS: return get(r.getAskStatus());
  case wire::Message::STATUS: return get(r.getStatus());
  case wire::Message::CONTROL: return get(r.getControl());
  case wire::Message::CONTROLLED: return get(r.getControlled());
  case wire::Message::ANNOUNCE: return get(r.getAnnounce());
  case wire::Message::ACCEPTED: return get(r.getAccepted());
  case wire::Message::NODES: return get(r.getNodes());
  case wire::Message::SESSION: return read_session(r.getSession());
  }
  return bad_message("kind",
                     fmt::format("is {}, which is not known", static_cast<unsigned>(r.which())));
}

} // namespace larql::schema
