#include "runtime/experts/local_experts.hpp"

#include "runtime/base/check.hpp"

#include <algorithm>

namespace larql::experts {

/// A batch: its rows as the layer's matrices want them, and its assignments.
class local_experts::work final : public expert_work {
public:
  explicit work(local_experts& port) : port_(port) {}

  [[nodiscard]] bool is_free() const noexcept { return free_; }

  void take(const expert_batch& batch) {
    free_ = false;
    layer_ = batch.layer;
    numbers_ = std::size_t{batch.rows} * batch.hidden;
    assignments_.assign(batch.assignments.begin(), batch.assignments.end());
    hidden_ = batch.hidden;
    inputs_.bind(batch.x.data(), batch.rows, hidden_, hidden_);
    inputs_.quantize(port_.compute_, port_.bank_.input_format(layer_), hidden_);
  }

  bool is_ready() const noexcept override { return true; }

  result<void> wait(std::span<std::int64_t> sums, const std::stop_token& stop) override {
    LARQL_CHECK(sums.size() == numbers_);
    if (stop.stop_requested())
      return fail(errc::cancelled, "stopped before the experts of layer {}", layer_);
    const auto x = inputs_.view(port_.bank_.input_format(layer_), hidden_);
    return port_.experts_.run(layer_, x, assignments_, sums);
  }

  call_stats stats() const override { return {}; }

  void release() noexcept override { free_ = true; }

private:
  local_experts& port_;
  bool free_ = true;
  std::uint32_t layer_ = 0;
  std::uint32_t hidden_ = 0;
  std::size_t numbers_ = 0;
  kernels::quantized_inputs inputs_;
  std::vector<assignment> assignments_;
};

local_experts::local_experts(kernels::compute compute, const expert_bank& bank)
    : compute_(compute), bank_(bank), experts_(compute, bank) {}

local_experts::~local_experts() = default;

result<expert_ticket> local_experts::start(const expert_batch& batch, ready_fn on_ready) {
  LARQL_CHECK(!batch.assignments.empty());
  for (const auto& a : batch.assignments)
    if (!bank_.owned().contains(batch.layer, a.expert))
      return fail(errc::internal, "layer {}, expert {} is not in this machine's bank", batch.layer,
                  a.expert);
  auto it = std::find_if(works_.begin(), works_.end(), [](const auto& w) { return w->is_free(); });
  if (it == works_.end())
    it = works_.insert(it, std::make_unique<work>(*this));
  (*it)->take(batch);
  if (on_ready)
    on_ready();
  return expert_ticket{**it};
}

} // namespace larql::experts
