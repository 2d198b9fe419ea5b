// The messages of sessions, for wire_v1.hpp. Never change.

#pragma once

#include "schema/messages.hpp"

#include <string>
#include <utility>
#include <vector>

namespace larql::schema::wire_v1 {

inline std::vector<std::pair<std::string, schema::message>> session_samples() {
  auto key = session_key{};
  for (auto i = 0u; i < key.size(); ++i)
    key[i] = static_cast<std::byte>(0xc0 + i);
  const auto digest = [](unsigned first) {
    auto out = session_digest{};
    for (auto i = 0u; i < out.size(); ++i)
      out[i] = static_cast<std::byte>((first + i) & 0xff);
    return out;
  };
  auto rules = session_rules{};
  rules.form = 1;
  rules.schema = R"({"type":"object"})";
  rules.tools = {{"weather", "of a town", R"({"type":"object","properties":{}})", true}};
  rules.choice = 2;
  rules.only_tool = "weather";
  rules.parallel_calls = false;
  rules.thinking = true;
  rules.in_thought = true;
  rules.thought_budget = 0;
  auto answer = session_answer{};
  answer.temperature = 0.75f;
  answer.top_k = 40;
  answer.top_p = 0.5f;
  answer.min_p = 0.25f;
  answer.seed = 0x0102030405060708;
  answer.repetition_penalty = 1.5f;
  answer.presence_penalty = -0.5f;
  answer.frequency_penalty = 2;
  answer.bias_tokens = {7, 9};
  answer.bias_values = {-1.5f, 3};
  answer.max_tokens = ~std::uint64_t{0};
  answer.first_index = 3;
  answer.stop_tokens = {1, 106};
  answer.stop_texts = {"END", "–"};
  answer.logprobs = 0;
  answer.reader = session_reader::output;
  answer.in_thought = true;
  answer.rules = rules;
  answer.given = {12, 13};
  auto ask = session_ask{5, {2, 10, 11, 12, 13}, "key 1", 2, {3, 4}, {answer}};
  auto step =
      session_step{1, {77, 78}, "ab\xc3", {{77, -0.5f, {{77, -0.5f}, {80, -2}}}, {78, -1, {}}}};
  const auto event = [&](std::uint64_t number, decltype(session_event::what) what) {
    auto out = session_event{};
    out.number = number;
    out.request = 5;
    out.received = 2;
    out.what = std::move(what);
    return session_message{key, std::move(out)};
  };
  return {
      {"session_open",
       session_message{
           {}, session_open{1, digest(1), digest(40), digest(80), digest(120), session_kv::f32}}},
      {"session_resume", session_message{key, session_resume{41}}},
      {"session_opened", session_message{key, session_opened{3, 8192, 4, 1u << 30, 60'000}}},
      {"session_closed",
       session_message{{}, session_closed{session_end::differs, "another chat template"}}},
      {"session_ask", session_message{key, session_order{1, std::move(ask)}}},
      {"session_cancel", session_message{key, session_order{2, session_cancel{5}}}},
      {"session_admitted", event(1, session_admitted{})},
      {"session_refused", event(2, session_refusal{2, "64 answers wait", 64, 64, 3})},
      {"session_progress", event(3, session_progress{512, 256, 1024})},
      {"session_step", event(4, std::move(step))},
      {"session_end", event(5, session_finish{1, 3, false, 0, "", 5, 2, 7, 8, 3})},
      {"session_failed",
       event(6, session_finish{0, 0, true, 7, "experts 3 of layer 2: nobody has them", 5, 0, 1, 2,
                               5})},
      {"session_acknowledge", session_message{key, session_acknowledge{6}}},
  };
}

} // namespace larql::schema::wire_v1
