mod histories;
mod process;
mod scenarios;
mod script;
mod world;
