// Routes the controller's messages to Bitwig; what goes where is in mapping.json.
loadAPI(18);
host.defineController("midi-studio", "MIDI Studio", "0.4.0", "0b6f4c4e-6d1c-4c1e-9a39-6f1d2d3c5a10");
host.defineMidiPorts(1, 0);

function init() {
  const mapping = JSON.parse(host.readResource("mapping.json"));
  const transport = host.createTransport();
  const track = host.createCursorTrack(0, 0);
  const remotes = track.createCursorDevice().createCursorRemoteControlsPage(4);
  const actions = {
    "transport.play": (value) => value && transport.play(),
    "transport.stop": (value) => value && transport.stop(),
    "transport.record": (value) => value && transport.record(),
    "track.volume": (value) => track.volume().set(value, 128),
  };
  for (let i = 1; i <= 4; i++) {
    actions["remote." + i] = (value) => remotes.getParameter(i - 1).set(value, 128);
  }
  host.getMidiInPort(0).setMidiCallback((status, controller, value) => {
    const action = actions[mapping.controls[controller]];
    if (status === 0xb0 + mapping.channel - 1 && action) action(value);
  });
}
