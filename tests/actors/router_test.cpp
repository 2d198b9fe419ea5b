// Mirrors actors/router.hpp. Shards are fakes that answer what the test says; time is virtual.

#include "actors/router.hpp"

#include "actors/errc.hpp"
#include "runtime/kernels/kernel_set.hpp"
#include "schema/codec.hpp"
#include "schema/sums.hpp"
#include "tests/actors/fake_shard.hpp"
#include "tests/support/deterministic_system.hpp"

#include <cstring>
#include <deque>

namespace larql::actors {
namespace {

using namespace std::chrono_literals;

constexpr auto hidden = 4u;

template <class T>
T number_at(std::span<const std::byte> bytes, std::size_t i) {
  T x;
  std::memcpy(&x, bytes.data() + i * sizeof x, sizeof x);
  return x;
}

// What the fakes "compute": the whole numbers of a row times expert + 1 times the weight.
std::int64_t output(float x, std::uint32_t expert, float weight) {
  return static_cast<std::int64_t>(x) * (expert + 1) * static_cast<std::int64_t>(weight);
}

/// A frame with these numbers as result.
payload result_of(const schema::expert_call& call, const std::vector<std::int64_t>& sums,
                  std::uint32_t rows) {
  auto widths = std::vector<std::byte>{}, bytes = std::vector<std::byte>{};
  schema::pack_sums(sums, hidden, widths, bytes);
  auto out = schema::expert_result{};
  out.id = call.id;
  out.rows = rows;
  out.widths = widths;
  out.sums = bytes;
  out.compute_ns = 1000;
  auto frame = std::vector<char>{};
  schema::encode(out, frame);
  return frame_payload(std::move(frame));
}

schema::expert_call call_in(const payload& p) {
  const auto m = schema::decode(p.body());
  EXPECT_TRUE(m) << m.error().text;
  return std::get<schema::expert_call>(*m);
}

/// The right answer to a call.
payload right_answer(const payload& p) {
  const auto call = call_in(p);
  auto sums = std::vector<std::int64_t>(std::size_t{call.rows} * hidden, 0);
  for (auto i = std::size_t{0}; i < call.pick_experts.size() / 2; ++i) {
    const auto row = number_at<std::uint32_t>(call.pick_rows, i);
    for (auto h = 0u; h < hidden; ++h)
      sums[row * hidden + h] += output(number_at<float>(call.activations, row * hidden + h),
                                       number_at<std::uint16_t>(call.pick_experts, i),
                                       number_at<float>(call.pick_weights, i));
  }
  return result_of(call, sums, call.rows);
}

class Router : public test::deterministic_system {
protected:
  ~Router() override {
    caf::anon_send_exit(router, caf::exit_reason::user_shutdown);
    router = nullptr;
    for (auto& s : shards)
      s.end();
    settle();
  }

  /// A router over shards alpha, beta, ... with these experts of all layers.
  void start(const std::vector<experts::index_range>& ranges) {
    auto owned = std::vector<experts::ownership>{};
    for (const auto& r : ranges)
      owned.push_back({{0, 9}, r});
    start_with(owned);
  }
  void start_with(const std::vector<experts::ownership>& owned) {
    constexpr const char* names[] = {"alpha", "beta", "gamma", "delta"};
    auto routed = std::vector<routed_shard>{};
    for (const auto& o : owned) {
      auto d = std::make_shared<schema::node_description>();
      d->node = names[routed.size()];
      d->owned = o;
      shards.emplace_back();
      routed.push_back({shards.back().spawn(sys), d, d->node + ":9470"});
    }
    router = spawn_state<router_state>(sys, routed);
    settle();
  }

  /// A job of `rows` rows with numbers of their own.
  static layer_job_ptr make_job(std::uint32_t layer, std::uint32_t rows,
                                std::vector<experts::pick> picks) {
    auto job = std::make_shared<layer_job>();
    job->layer = layer;
    job->hidden = hidden;
    job->row_count = rows;
    job->deadline = 100ms;
    job->rows.reset(kernels::activation_format::f32, rows, hidden);
    for (auto r = 0u; r < rows; ++r) {
      const auto x = number(r);
      job->rows.set_row(**kernels::kernels_by_name("scalar"), r,
                        std::vector<float>{x, x + 1, x + 2, -x});
    }
    std::sort(picks.begin(), picks.end(), [](const auto& a, const auto& b) {
      return std::pair{a.expert, a.row} < std::pair{b.expert, b.row};
    });
    job->picks = std::move(picks);
    return job;
  }
  static float number(std::uint32_t row) { return static_cast<float>(100 * row + 7); }

  static std::vector<std::int64_t> expected_sums(const layer_job& job) {
    auto out = std::vector<std::int64_t>(std::size_t{job.row_count} * hidden, 0);
    for (const auto& p : job.picks) {
      const auto x = number(p.row);
      const float row[] = {x, x + 1, x + 2, -x};
      for (auto h = 0u; h < hidden; ++h)
        out[p.row * hidden + h] += output(row[h], p.expert, p.weight);
    }
    return out;
  }

  layer_job_ptr route(layer_job_ptr job) {
    caf::anon_send(router, route_atom::value, job);
    settle();
    return job;
  }
  static bool is_done(const layer_job_ptr& job) {
    return job->wait(std::chrono::steady_clock::time_point{});
  }
  static std::string error_of(const layer_job_ptr& job) {
    if (!is_done(job))
      return "not done";
    return job->outcome() ? "no error" : job->outcome().error().text;
  }
  void answer_rightly(std::size_t shard, std::size_t call = 0) {
    auto& s = shards.at(shard);
    s.answer(call, right_answer(s.calls().at(call).body));
    settle();
  }

  // Two rows, three experts each.
  static std::vector<experts::pick> some_picks() {
    return {{0, 1, 2}, {0, 5, 3}, {0, 6, 1}, {1, 1, 1}, {1, 2, 4}, {1, 7, 2}};
  }

  std::deque<test::fake_shard> shards;
  router_actor router;
};

TEST_F(Router, AsksAllOwnersBeforeAnyHasAnswered) {
  start({{0, 1}, {2, 5}, {6, 7}});
  const auto job = route(make_job(3, 2, some_picks()));
  for (const auto& s : shards)
    ASSERT_EQ(s.calls().size(), 1u);
  EXPECT_FALSE(is_done(job));
  const auto first = call_in(shards[0].calls()[0].body);
  EXPECT_EQ(first.layer, 3u);
  EXPECT_EQ(first.id, shards[0].calls()[0].id);
  EXPECT_EQ(first.format, kernels::activation_format::f32);
}

TEST_F(Router, AddsUpWhatTheOwnersAnswerInAnyOrder) {
  start({{0, 1}, {2, 5}, {6, 7}});
  for (const auto& order : {std::vector{0, 1, 2}, std::vector{2, 0, 1}, std::vector{1, 2, 0}}) {
    const auto job = route(make_job(0, 2, some_picks()));
    const auto call = shards[0].calls().size() - 1;
    for (const auto s : order) {
      EXPECT_FALSE(is_done(job));
      answer_rightly(static_cast<std::size_t>(s), call);
    }
    ASSERT_EQ(error_of(job), "no error");
    EXPECT_EQ(job->sums, expected_sums(*job));
  }
}

TEST_F(Router, OneOwnerOfEverythingGivesTheSameSums) {
  start({{0, 7}});
  const auto job = route(make_job(0, 2, some_picks()));
  answer_rightly(0);
  EXPECT_EQ(job->sums, expected_sums(*job));
  EXPECT_EQ(job->stats.calls, 1u);
}

TEST_F(Router, SendsRowsOnlyWhereTheyHavePicks) {
  start({{0, 3}, {4, 7}});
  const auto job = route(make_job(0, 4, {{0, 1, 1}, {1, 6, 1}, {2, 5, 1}, {2, 2, 1}, {3, 7, 1}}));
  const auto low = call_in(shards[0].calls().at(0).body);
  EXPECT_EQ(low.rows, 2u); // 0 and 2
  EXPECT_EQ(number_at<float>(low.activations, 0), number(0));
  EXPECT_EQ(number_at<float>(low.activations, hidden), number(2));
  EXPECT_EQ(number_at<std::uint32_t>(low.pick_rows, 1), 1u); // row 2 of the job
  const auto high = call_in(shards[1].calls().at(0).body);
  EXPECT_EQ(high.rows, 3u); // 1, 2 and 3
  EXPECT_EQ(number_at<float>(high.activations, 2 * hidden), number(3));
  answer_rightly(1);
  answer_rightly(0);
  EXPECT_EQ(job->sums, expected_sums(*job));
}

TEST_F(Router, AsksNobodyWhoHasNothingToDo) {
  start({{0, 3}, {4, 7}});
  const auto job = route(make_job(0, 1, {{0, 4, 1}, {0, 5, 1}}));
  EXPECT_EQ(shards[0].calls().size(), 0u);
  answer_rightly(1);
  EXPECT_EQ(job->sums, expected_sums(*job));
}

TEST_F(Router, ChoosesByLayerWhereNodesSplitLayers) {
  start_with({{{0, 4}, {0, 7}}, {{5, 9}, {0, 7}}});
  route(make_job(4, 1, {{0, 1, 1}}));
  EXPECT_EQ(shards[0].calls().size(), 1u);
  route(make_job(5, 1, {{0, 1, 1}}));
  EXPECT_EQ(shards[0].calls().size(), 1u);
  EXPECT_EQ(shards[1].calls().size(), 1u);
}

TEST_F(Router, GivesEveryCallAnIdOfItsOwn) {
  start({{0, 3}, {4, 7}});
  auto ids = std::set<std::uint64_t>{};
  for (auto i = 0; i < 5; ++i)
    route(make_job(0, 2, some_picks()));
  for (const auto& s : shards)
    for (const auto& c : s.calls())
      EXPECT_TRUE(ids.insert(c.id).second);
}

TEST_F(Router, ServesSeveralJobsAtOnce) {
  start({{0, 3}, {4, 7}});
  const auto a = route(make_job(0, 2, some_picks()));
  const auto b = route(make_job(1, 1, {{0, 0, 2}, {0, 7, 3}}));
  answer_rightly(1, 1);
  answer_rightly(0, 0);
  answer_rightly(0, 1);
  EXPECT_TRUE(is_done(b));
  EXPECT_FALSE(is_done(a));
  answer_rightly(1, 0);
  EXPECT_EQ(a->sums, expected_sums(*a));
  EXPECT_EQ(b->sums, expected_sums(*b));
}

TEST_F(Router, CountsBytesAndCalls) {
  start({{0, 3}, {4, 7}});
  const auto job = route(make_job(0, 2, some_picks()));
  const auto bytes =
      shards[0].calls()[0].body.buffer->size() + shards[1].calls()[0].body.buffer->size();
  answer_rightly(0);
  answer_rightly(1);
  EXPECT_EQ(job->stats.calls, 2u);
  EXPECT_EQ(job->stats.bytes_sent, bytes);
  EXPECT_GT(job->stats.bytes_received, 0u);
  EXPECT_EQ(job->stats.slowest_compute, 1000ns);
}

// ---- failures -----------------------------------------------------------------------------------

TEST_F(Router, ARefusalFailsTheJobWithLayerAndExpertsNamed) {
  start({{0, 3}, {4, 7}});
  const auto job = route(make_job(6, 2, some_picks()));
  answer_rightly(0);
  shards[1].fail(0, make_error(call_errc::overloaded, "node beta (10.0.0.1:1): too much"));
  settle();
  EXPECT_EQ(error_of(job), "layer 6, experts 4-7: node beta (10.0.0.1:1): too much");
  EXPECT_EQ(job->outcome().error().code, errc::unavailable);
}

TEST_F(Router, TheFirstFailureIsTheJobs) {
  start({{0, 3}, {4, 7}});
  const auto job = route(make_job(6, 2, some_picks()));
  shards[1].fail(0, make_error(call_errc::node_failed, "first"));
  settle();
  shards[0].fail(0, make_error(call_errc::node_failed, "second"));
  settle();
  EXPECT_EQ(error_of(job), "layer 6, experts 4-7: first");
}

TEST_F(Router, GoesOnAfterAFailure) {
  start({{0, 3}, {4, 7}});
  route(make_job(0, 2, some_picks()));
  shards[0].fail(0, caf::sec::runtime_error);
  answer_rightly(1, 0);
  const auto next = route(make_job(0, 2, some_picks()));
  answer_rightly(0, 1);
  answer_rightly(1, 1);
  EXPECT_EQ(next->sums, expected_sums(*next));
}

TEST_F(Router, ASilentShardFailsTheJobAtTheDeadlineAndNotBefore) {
  start({{0, 3}, {4, 7}});
  const auto job = route(make_job(2, 2, some_picks()));
  answer_rightly(0);
  advance(99ms);
  EXPECT_FALSE(is_done(job));
  advance(2ms);
  EXPECT_EQ(error_of(job), "layer 2, experts 4-7: node beta: no answer within 100 ms (beta:9470)");
  EXPECT_EQ(job->outcome().error().code, errc::deadline);
}

TEST_F(Router, AnswersAfterTheDeadlineAreHarmless) {
  start({{0, 3}, {4, 7}});
  const auto job = route(make_job(2, 2, some_picks()));
  advance(101ms);
  ASSERT_TRUE(is_done(job));
  const auto sums = job->sums;
  answer_rightly(0);
  answer_rightly(1);
  EXPECT_EQ(job->sums, sums);
  const auto next = route(make_job(2, 2, some_picks()));
  answer_rightly(0, 1);
  answer_rightly(1, 1);
  EXPECT_EQ(next->sums, expected_sums(*next));
}

TEST_F(Router, AShardThatEndsInTheMiddleFailsTheJobWithItsName) {
  start({{0, 3}, {4, 7}});
  const auto job = route(make_job(2, 2, some_picks()));
  answer_rightly(0);
  shards[1].end();
  settle();
  advance(101ms); // an actor that ends without answering is noticed by the deadline
  EXPECT_NE(error_of(job).find("node beta"), std::string::npos) << error_of(job);
}

TEST_F(Router, AShardThatIsGoneFailsTheJobAtOnceWithItsName) {
  start({{0, 3}, {4, 7}});
  shards[1].end();
  settle();
  const auto job = route(make_job(2, 2, some_picks()));
  answer_rightly(0);
  EXPECT_EQ(error_of(job), "layer 2, experts 4-7: node beta: the connection is lost (beta:9470)");
}

TEST_F(Router, AnExpertThatNobodyHasFailsTheJobAndAsksNobody) {
  start({{0, 3}, {6, 7}});
  const auto job = route(make_job(2, 2, some_picks()));
  EXPECT_EQ(error_of(job), "layer 2: no node has expert 5");
  EXPECT_EQ(shards[0].calls().size(), 0u);
}

TEST_F(Router, AJobWithoutPicksIsDoneAtOnce) {
  start({{0, 7}});
  const auto job = route(make_job(2, 1, {}));
  EXPECT_EQ(error_of(job), "no error");
  EXPECT_EQ(job->sums, std::vector<std::int64_t>(hidden, 0));
}

TEST_F(Router, MalformedAnswersFailTheJobWithTheNodeNamed) {
  const auto encoded = [](const schema::message& m) {
    auto frame = std::vector<char>{};
    schema::encode(m, frame);
    return frame_payload(std::move(frame));
  };
  using maker = std::function<payload(const schema::expert_call&)>;
  const auto result_with = [&](auto change) -> maker {
    return [=](const schema::expert_call& call) {
      auto widths = std::vector<std::byte>(call.rows, std::byte{4});
      auto bytes = std::vector<std::byte>(std::size_t{call.rows} * hidden * 4);
      auto m = schema::expert_result{};
      m.id = call.id;
      m.rows = call.rows;
      change(m, widths, bytes);
      m.widths = widths;
      m.sums = bytes;
      return encoded(m);
    };
  };
  using bytes_ref = std::vector<std::byte>&;
  using result_ref = schema::expert_result&;
  const std::pair<maker, const char*> answers[] = {
      {[&](const auto&) { return encoded(schema::pong{}); }, "the answer is no result for 2 rows"},
      {[&](const auto&) {
         return encoded(schema::call_failed{1, 2, {}, "disk"});
       },
       "disk"},
      {[&](const auto&) { return received_payload(std::vector<char>(16, '\xff')); }, "message:"},
      {[&](const auto&) { return received_payload({}); }, "message:"},
      {result_with([](result_ref m, bytes_ref, bytes_ref) { m.rows = 1; }),
       "the answer is no result for 2 rows"},
      {result_with([](result_ref m, bytes_ref, bytes_ref) { m.rows = ~0u; }),
       "the answer is no result for 2 rows"},
      {result_with([](result_ref, bytes_ref widths, bytes_ref) { widths.pop_back(); }),
       "widths has 1 entries, expected 2"},
      {result_with([](result_ref, bytes_ref widths, bytes_ref) { widths[1] = std::byte{3}; }),
       "widths holds 3"},
      {result_with([](result_ref, bytes_ref widths, bytes_ref) { widths[0] = std::byte{255}; }),
       "widths holds 255"},
      {result_with([](result_ref, bytes_ref widths, bytes_ref) { widths[0] = std::byte{8}; }),
       "sums has 32 bytes, expected 48"},
      {result_with([](result_ref, bytes_ref, bytes_ref sums) { sums.pop_back(); }),
       "sums has 31 bytes, expected 32"},
      {result_with([](result_ref, bytes_ref, bytes_ref sums) { sums.clear(); }),
       "sums has 0 bytes, expected 32"},
  };
  start({{0, 3}, {4, 7}});
  auto n = std::size_t{0};
  for (const auto& [make, text] : answers) {
    const auto job = route(make_job(2, 2, some_picks()));
    answer_rightly(0, n);
    shards[1].answer(n, make(call_in(shards[1].calls().at(n).body)));
    settle();
    ++n;
    EXPECT_TRUE(error_of(job).starts_with("node beta: ")) << error_of(job);
    EXPECT_NE(error_of(job).find(text), std::string::npos) << error_of(job);
  }
}

} // namespace
} // namespace larql::actors
