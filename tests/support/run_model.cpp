#include "tests/support/run_model.hpp"

#include "runtime/base/check.hpp"
#include "tests/support/random_weights.hpp"

namespace larql::test {

running_model::running_model(const run_options& options)
    : options_(options), kernels_(*kernels::kernels_for(options.simd)), pool_(options.threads) {}

result<std::unique_ptr<running_model>> running_model::open(const std::filesystem::path& dir,
                                                           const run_options& options) {
  auto out = std::unique_ptr<running_model>{new running_model{options}};
  LARQL_TRY(out->model_, gemma4::model::load(dir));
  const auto& c = out->model_.config;
  LARQL_TRY(out->bank_,
            experts::expert_bank::open(dir, c, {{0, c.layers - 1}, {0, c.experts - 1}}));
  out->port_ = std::make_unique<experts::local_experts>(out->compute(), *out->bank_);
  out->executor_ = out->new_executor(*out->port_);
  return out;
}

std::unique_ptr<generate::executor> running_model::new_executor(experts::expert_port& port) {
  return *generate::executor::create(model_, compute(), port,
                                     {options_.chunk, options_.chunks_in_flight});
}

std::unique_ptr<generate::sequence> running_model::new_sequence() {
  auto o = generate::sequence_options{};
  o.kv = options_.kv;
  o.max_context = options_.context;
  return *generate::sequence::create(model_, kv_, o);
}

result<std::vector<float>> running_model::logits(std::span<const std::uint32_t> ids) {
  auto out = std::vector<float>{};
  const auto s = new_sequence();
  while (!ids.empty()) {
    const auto chunk = ids.first(std::min<std::size_t>(ids.size(), options_.chunk));
    LARQL_TRY_VOID(executor_->append(*s, chunk));
    auto rows = std::vector<generate::executor::row>{};
    for (auto p = s->size() - static_cast<std::uint32_t>(chunk.size()); p < s->size(); ++p)
      rows.push_back({s.get(), p});
    LARQL_TRY(const auto logits, executor_->logits(rows));
    out.insert(out.end(), logits.begin(), logits.end());
    ids = ids.subspan(chunk.size());
  }
  return out;
}

std::vector<float> logits_of(const std::filesystem::path& dir, std::span<const std::uint32_t> ids,
                             const run_options& options) {
  const auto m = running_model::open(dir, options);
  if (!m)
    fmt::print(stderr, "logits_of: {}\n", m.error().text);
  LARQL_CHECK(static_cast<bool>(m));
  auto out = (*m)->logits(ids);
  if (!out)
    fmt::print(stderr, "logits_of: {}\n", out.error().text);
  return *std::move(out);
}

std::vector<std::uint32_t> random_ids(std::size_t n, std::uint32_t vocab, std::uint64_t seed) {
  auto random = random_source{seed};
  auto out = std::vector<std::uint32_t>(n);
  for (auto& id : out)
    id = random.below(vocab);
  return out;
}

} // namespace larql::test
