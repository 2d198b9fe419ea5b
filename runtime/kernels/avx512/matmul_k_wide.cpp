#include "runtime/kernels/avx512/matmul.hpp"

#if defined(__AVX512VNNI__)

namespace larql::kernels::avx512 {

constinit const product_table k_wide_products = products_of<product_part::k_wide>();

} // namespace larql::kernels::avx512

#endif
