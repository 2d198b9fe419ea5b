#include "runtime/experts/local_experts.hpp"

#include "runtime/base/check.hpp"

#include <algorithm>

namespace larql::experts {

void assignments_by_expert(const expert_batch& batch, std::vector<assignment>& out) {
  out.clear();
  for (auto r = 0u; r < batch.rows; ++r)
    for (auto k = 0u; k < batch.top_k; ++k) {
      const auto i = std::size_t{r} * batch.top_k + k;
      out.push_back({r, batch.ids[i], batch.weights[i]});
    }
  std::sort(out.begin(), out.end(), [](const assignment& a, const assignment& b) {
    return a.expert != b.expert ? a.expert < b.expert : a.row < b.row;
  });
}

result<void> local_experts::start(const expert_batch& batch) {
  batch_ = batch;
  return {};
}

result<void> local_experts::wait(std::span<float> out) {
  const auto n = std::size_t{batch_.rows} * batch_.hidden;
  LARQL_CHECK(out.size() == n);
  assignments_by_expert(batch_, assignments_);
  for (const auto& p : assignments_)
    if (!bank_.owned().contains(batch_.layer, p.expert))
      return fail(errc::internal, "layer {}, expert {} is not in this machine's bank", batch_.layer,
                  p.expert);
  const auto any = bank_.get(batch_.layer, assignments_.front().expert);
  inputs_.bind(batch_.x.data(), batch_.rows, batch_.hidden, batch_.hidden);
  inputs_.quantize(compute_, any.gate);
  sums_.assign(n, 0);
  LARQL_TRY_VOID(experts_.run(batch_.layer, inputs_.view(any.gate), assignments_, sums_));
  compute_.k.fixed_to_float(sums_.data(), n, out.data());
  return {};
}

} // namespace larql::experts
