import { testProfile } from "./profile-behaviour.ts";

testProfile("default");
