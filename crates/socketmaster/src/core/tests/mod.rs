mod histories;
mod scenarios;
mod script;
mod world;
