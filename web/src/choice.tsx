// One of a few: radio buttons that look like one bar.

export function Choice(props: {
  name: string;
  label: string;
  value: string;
  options: [string, string][];
  set: (value: string) => void;
}) {
  return (
    <fieldset class="choice">
      <legend>{props.label}</legend>
      {props.options.map(([value, text]) => (
        <label key={value} class={value === props.value ? "on" : ""}>
          <input
            type="radio"
            name={props.name}
            value={value}
            checked={value === props.value}
            onChange={() => props.set(value)}
          />
          {text}
        </label>
      ))}
    </fieldset>
  );
}
