// One message of every kind as protocol version 1 knows it, every field with a value of its own.
// tests/wire/v1 holds their encoded frames. Never change: later versions must still read these.

#pragma once

#include "schema/messages.hpp"
#include "tests/schema/wire_v1_sessions.hpp"

#include <array>
#include <string>
#include <vector>

namespace larql::schema::wire_v1 {

struct sample {
  std::string name; ///< of its file, without .bin
  schema::message message;
};

/// `N` bytes that count up from `first`. Static storage: messages hold spans.
template <std::size_t N>
std::span<const std::byte> counting_bytes(unsigned first) {
  static const auto all = [first] {
    auto bytes = std::array<std::byte, N>{};
    for (auto i = std::size_t{0}; i < N; ++i)
      bytes[i] = static_cast<std::byte>((first + i) & 0xff);
    return bytes;
  }();
  return all;
}

inline std::vector<sample> samples() {
  auto welcome = node_description{};
  welcome.node = "expert-node-7";
  welcome.incarnation = 0xfedcba9876543210;
  welcome.model = {"gemma-4 26B-A4B it", {}, 30, 2816, 128, 704, {}};
  for (auto i = 0u; i < welcome.model.weights.size(); ++i)
    welcome.model.weights[i] = static_cast<std::byte>(0xa0 + i);
  welcome.owned = {{3, 5}, {64, 127}};
  welcome.formats = {quant::activation_format::q8_256, quant::activation_format::f32,
                     quant::activation_format::q8_32};
  welcome.max_rows = 2048;

  auto call = expert_call{};
  call.id = 0x0123456789abcdef;
  call.layer = 29;
  call.rows = 2;
  call.format = quant::activation_format::q8_32;
  call.activations = counting_bytes<64>(1);
  call.scales = counting_bytes<8>(70);
  call.pick_rows = counting_bytes<12>(80);
  call.pick_experts = counting_bytes<6>(100);
  call.pick_weights = counting_bytes<12>(110);

  auto result = expert_result{};
  result.id = 0xffffffffffffffff;
  result.incarnation = 17;
  result.rows = 2;
  result.widths = counting_bytes<2>(4);
  result.sums = counting_bytes<27>(200);
  result.compute_ns = 123456789;
  result.queue_ns = 987654321;

  // Fields that came later, in files of their own.
  auto call_in_pieces = call;
  call_in_pieces.piece_bytes = 65'536;
  auto piece = result;
  piece.first_row = 7;
  piece.call_rows = 256;
  auto informed = welcome.model;
  informed.weights_digest.emplace(); // 32 zeros, as recorded
  auto informed_welcome = welcome;
  informed_welcome.model = informed;
  auto silu_welcome = informed_welcome;
  silu_welcome.model.activation = quant::activation_function::silu;

  auto status = node_status{1, 2, node_state::loading, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  auto checked_status = status;
  checked_status.answers = answers_state::own;
  auto& own_answers = checked_status.own_answers.emplace();
  for (auto i = 0u; i < own_answers.size(); ++i)
    own_answers[i] = static_cast<std::byte>(0x30 + i);
  auto relay = welcome;
  relay.reached = {0, {{71, {{0, 29}, {0, 63}}}, {72, {{6, 7}, {64, 70}}}}};
  auto direct_call = call;
  direct_call.direct = true;
  direct_call.remaining_us = 123'456;
  auto relayed_call = call;
  relayed_call.remaining_us = 4'000'000'000;
  static constexpr auto one_whole = std::array{std::byte{0}, std::byte{1}};
  relayed_call.whole_rows = one_whole;
  auto rounded_call = call;
  rounded_call.sums = quant::sum_format::q8;
  auto rounded_result = result;
  static constexpr auto one_rounded = std::array{std::byte{3}, std::byte{5}};
  rounded_result.widths = one_rounded;
  auto relayed_result = result;
  static constexpr auto one_complete = std::array{std::byte{0}, std::byte{5}};
  relayed_result.widths = one_complete;
  relayed_result.makers = counting_bytes<16>(130);
  relayed_result.forward_ns = 55'555'555;
  auto working_status = checked_status;
  working_status.rows = 21;
  working_status.compute_ns = 22;
  working_status.reached_nodes = 23;
  working_status.forwarded_calls = 24;
  working_status.forwarded_rows = 25;
  working_status.forward_ns = 26;
  auto offer = announce{welcome, false, 1 << 30, 12'345};
  offer.node.owned.experts = {1, 0};
  offer.node.formats.clear();
  auto list = node_list{{{welcome, "10.0.0.7:43210"}, {informed_welcome, "[::1]:9"}}};
  list.nodes[1].node.state = node_state::draining;

  auto session_welcome = welcome;
  session_welcome.sessions = 4;

  auto out = std::vector<sample>{
      {"hello", hello{1, "laptop of Ada", {}}},
      {"welcome", welcome},
      {"refused", refused{"protocol version is 9, this node speaks 1"}},
      {"call", call},
      {"result", result},
      {"failed", call_failed{42, 43, failure_code::overloaded, "65 calls wait – try later"}},
      {"ping", ping{0x1122334455667788}},
      {"pong", pong{0x8877665544332211, 5, 600, 7, node_state::draining}},
      {"hello_weights_digest", hello{1, "laptop of Ada", informed}},
      {"welcome_weights_digest", informed_welcome},
      {"hello_activation", hello{1, "laptop of Ada", silu_welcome.model}},
      {"welcome_activation", silu_welcome},
      {"ask_status", ask_status{0x1020304050607080}},
      {"status", status},
      {"status_own_answers", checked_status},
      {"control", control{77, control_action::restart_node}},
      {"controlled", controlled{78, true, "drained, starting anew"}},
      {"announce", announce{welcome, true, 0, 0}},
      {"announce_offer", offer},
      {"accepted", accepted{verdict::load, {3, 99}, 250}},
      {"nodes", list},
      {"ping_node", ping{5, 0x1122334455667788}},
      {"ask_status_node", ask_status{6, 0x2233445566778899}},
      {"call_pieces", call_in_pieces},
      {"result_piece", piece},
      {"control_node", control{7, control_action::drain, 0x33445566778899aa}},
      {"welcome_sessions", session_welcome},
      {"welcome_reach", relay},
      {"call_direct", direct_call},
      {"call_relayed", relayed_call},
      {"call_rounded", rounded_call},
      {"result_rounded", rounded_result},
      {"result_relayed", relayed_result},
      {"failed_unavailable",
       call_failed{44, 45, failure_code::unavailable, "experts 64-70: lost", {64, 70}}},
      {"pong_reach", pong{9, 10, 11, 12, node_state::serving, {}, {32, relay.reached.parts}}},
      {"status_work", working_status},
  };
  for (auto& [name, message] : session_samples())
    out.push_back({name, std::move(message)});
  return out;
}

} // namespace larql::schema::wire_v1
