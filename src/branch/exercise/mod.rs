//! The contracts of other programs of the same exercise, served beside our own.

mod bank;
mod bankservice;
mod services;
