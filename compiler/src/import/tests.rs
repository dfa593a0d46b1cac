//! Tests of import: every diagnostic, every form of every operator, and files as real exporters wrote them.

mod models;
