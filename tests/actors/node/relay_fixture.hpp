// A relay over a fake shard and fake links to owners, in virtual time.

#pragma once

#include "actors/node/relay.hpp"
#include "tests/actors/laptop/router_fixture.hpp"

#include <deque>

namespace larql::test {

class relay_fixture : public deterministic_system {
protected:
  relay_fixture() {
    self_description->node = "relay";
    self_description->incarnation = 1;
    self_description->model.hidden = hidden;
    self_description->owned = {{0, 9}, {0, 3}};
  }
  ~relay_fixture() override {
    caf::anon_send_exit(relay, caf::exit_reason::user_shutdown);
    relay = nullptr;
    members.clear();
    shard.end();
    for (auto& o : owners)
      o.end();
    settle();
  }

  /// A relay that owns experts 0-3, over owners with these experts and the incarnations 2, 3, ...
  void start(const std::vector<experts::index_range>& ranges) {
    relay = spawn_state<relay_state>(
        sys, relay_options{self_description, shard.spawn(sys), **kernels::kernels_by_name("scalar"),
                           std::make_shared<cluster_view>(), 1000ms, counters});
    for (const auto& r : ranges) {
      auto d = std::make_shared<schema::node_description>();
      d->node = fmt::format("owner{}", owners.size());
      d->incarnation = owners.size() + 2;
      d->owned = {{0, 9}, r};
      owners.emplace_back();
      members.push_back({d, d->node + ":9470",
                         caf::actor_cast<caf::strong_actor_ptr>(owners.back().spawn(sys)),
                         schema::node_state::serving});
    }
    publish();
  }
  void publish() {
    auto view = std::make_shared<cluster_view>();
    view->members = members;
    caf::anon_send(relay, view_atom::value, cluster_view_ptr{std::move(view)});
    settle();
  }

  /// What a laptop asks: rows of four numbers, row r beginning with 10 r + 1.
  struct question {
    std::uint32_t rows = 1;
    std::vector<experts::assignment> picks; ///< ascending by expert
    std::vector<std::byte> whole = {};
    bool direct = false;
    std::chrono::microseconds remaining{0};
    quant::sum_format sums = quant::sum_format::exact;
  };
  received_call call_of(const question& q) {
    auto x = std::vector<float>{};
    auto rows = std::vector<std::uint32_t>{};
    auto ids = std::vector<std::uint16_t>{};
    auto weights = std::vector<float>{};
    for (auto r = 0u; r < q.rows; ++r)
      for (auto h = 0u; h < hidden; ++h)
        x.push_back(static_cast<float>(10 * r + 1 + h));
    for (const auto& p : q.picks) {
      rows.push_back(p.row);
      ids.push_back(static_cast<std::uint16_t>(p.expert));
      weights.push_back(p.weight);
    }
    auto call = schema::expert_call{};
    call.id = next_id++;
    call.layer = 2;
    call.rows = q.rows;
    call.activations = std::as_bytes(std::span{x});
    call.pick_rows = std::as_bytes(std::span{rows});
    call.pick_experts = std::as_bytes(std::span{ids});
    call.pick_weights = std::as_bytes(std::span{weights});
    call.whole_rows = q.whole;
    call.direct = q.direct;
    call.sums = q.sums;
    call.remaining_us = static_cast<std::uint32_t>(q.remaining.count());
    auto out = received_of(call);
    return {{out.buffer, out.message}, std::chrono::steady_clock::now(), nullptr};
  }
  using answer_ptr = std::shared_ptr<reply<encoded_frame>>;
  answer_ptr put(const question& q) {
    return ask<encoded_frame>(relay, run_atom::value, call_of(q));
  }

  static std::vector<std::int64_t> sums_of(const schema::expert_call& call) {
    auto sums = std::vector<std::int64_t>(std::size_t{call.rows} * hidden, 0);
    for (auto i = std::size_t{0}; i < call.pick_experts.size() / 2; ++i) {
      const auto row = number_at<std::uint32_t>(call.pick_rows, i);
      for (auto h = 0u; h < hidden; ++h)
        sums[row * hidden + h] += output(number_at<float>(call.activations, row * hidden + h),
                                         number_at<std::uint16_t>(call.pick_experts, i),
                                         number_at<float>(call.pick_weights, i));
    }
    return sums;
  }
  std::vector<std::int64_t> sums_of(const question& q) { return sums_of(call_of(q).message); }

  void shard_answers(std::size_t i = 0) {
    const auto& call = shard.calls().at(i).message;
    auto widths = std::vector<std::byte>{}, bytes = std::vector<std::byte>{};
    schema::pack_sums(sums_of(call), hidden, call.sums, widths, bytes);
    auto out = schema::expert_result{};
    out.id = call.id;
    out.incarnation = self_description->incarnation;
    out.rows = call.rows;
    out.widths = widths;
    out.sums = bytes;
    out.compute_ns = 500;
    out.queue_ns = 70;
    auto frame = std::make_shared<std::vector<char>>();
    schema::encode(out, *frame);
    shard.answer(i, {frame});
    settle();
  }
  void owner_answers(std::size_t owner, std::size_t i = 0) {
    owners.at(owner).answer(i, right_answer(owners.at(owner).calls().at(i)));
    settle();
  }
  schema::expert_call call_to(std::size_t owner, std::size_t i = 0) {
    return call_in(owners.at(owner).calls().at(i));
  }

  /// What the laptop gets: its sums, where a complete row counts as the sums of its f32.
  struct result_text {
    std::vector<std::int64_t> sums;
    std::vector<int> widths;
    std::vector<std::uint64_t> makers;
    schema::expert_result raw;
  };
  static result_text result_in(const answer_ptr& a) {
    auto out = result_text{};
    if (!a->value) {
      ADD_FAILURE() << "no answer";
      return out;
    }
    const auto m = schema::decode(std::span{*a->value->bytes}.subspan(schema::frame_header_bytes));
    const auto* r = m ? std::get_if<schema::expert_result>(&*m) : nullptr;
    if (r == nullptr) {
      ADD_FAILURE() << failure_in(a);
      return out;
    }
    out.raw = *r;
    auto left = r->sums;
    for (auto i = std::size_t{0}; i < r->rows; ++i) {
      const auto width = static_cast<std::uint8_t>(r->widths[i]);
      auto row = std::vector<std::int64_t>(hidden, 0);
      if (width == schema::complete_row)
        EXPECT_TRUE(schema::read_complete_row(left, row));
      else
        schema::add_packed(left, width, row);
      left = left.subspan(schema::row_bytes(width, hidden));
      out.sums.insert(out.sums.end(), row.begin(), row.end());
      out.widths.push_back(width);
    }
    for (auto i = std::size_t{0}; i < r->makers.size() / 8; ++i)
      out.makers.push_back(number_at<std::uint64_t>(r->makers, i));
    return out;
  }
  /// "unavailable 4-7: experts 4-7: lost"; or what it was instead.
  static std::string failure_in(const answer_ptr& a) {
    if (a->error)
      return "error: " + actors::text_of(*a->error);
    if (!a->value)
      return "no answer";
    const auto m = schema::decode(std::span{*a->value->bytes}.subspan(schema::frame_header_bytes));
    const auto* f = m ? std::get_if<schema::call_failed>(&*m) : nullptr;
    if (f == nullptr)
      return "no failure";
    return fmt::format("{} {}: {}", schema::name_of(f->code), to_string(f->missing), f->text);
  }

  std::shared_ptr<schema::node_description> self_description =
      std::make_shared<schema::node_description>();
  std::shared_ptr<node_counters> counters = std::make_shared<node_counters>();
  fake_shard shard;
  std::deque<fake_link> owners;
  std::vector<cluster_member> members;
  relay_actor relay;
  std::uint64_t next_id = 100;
};

} // namespace larql::test
